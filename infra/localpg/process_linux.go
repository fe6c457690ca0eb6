package localpg

import "syscall"

// dieWithParent makes the kernel send a fast shutdown (SIGINT) when the thread that started the child ends, which
// supervise keeps for as long as the child lives: when the whole process ends, however it ends.
func dieWithParent() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Pdeathsig: syscall.SIGINT}
}
