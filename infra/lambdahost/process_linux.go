package lambdahost

import "syscall"

// dieWithParent makes the kernel kill the child when the thread that started it ends, which run keeps for as long as
// the child lives: when this whole process ends, however it ends.
func dieWithParent() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
}
