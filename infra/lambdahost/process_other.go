//go:build !linux

package lambdahost

import "syscall"

// dieWithParent can promise nothing here: only Linux tells a child of its parent's death.
func dieWithParent() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{}
}
