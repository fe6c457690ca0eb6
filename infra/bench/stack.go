package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// stack is a server of its own, as a process, with its data in a directory of its own.
type stack struct {
	process *exec.Cmd
	base    string            // URL of the API
	metrics string            // URL
	env     map[string]string // what the server publishes
	started time.Duration     // from the start of the process to ready
	output  *bytes.Buffer
}

// startStack runs the server on dir with settings, each NAME=value, and waits until it is ready.
func startStack(ctx context.Context, binary, dir string, settings ...string) (*stack, error) {
	var addresses [3]string
	for i := range addresses {
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return nil, err
		}
		addresses[i] = listener.Addr().String()
		listener.Close()
	}
	s := &stack{
		process: exec.CommandContext(ctx, binary), base: "http://" + addresses[0], metrics: "http://" + addresses[1] + "/metrics",
		env: map[string]string{}, output: &bytes.Buffer{},
	}
	s.process.Cancel = func() error { return s.process.Process.Signal(syscall.SIGTERM) }
	s.process.WaitDelay = 15 * time.Second
	s.process.Env = append(os.Environ(), "REFERRAL_DATA_DIR="+dir, "REFERRAL_LOG_LEVEL=error", "DATABASE_URL=",
		"REFERRAL_ADDR="+addresses[0], "REFERRAL_OPS_ADDR="+addresses[1], "REFERRAL_SQS_ADDR="+addresses[2])
	s.process.Env = append(s.process.Env, settings...)
	s.process.Stdout, s.process.Stderr = s.output, s.output
	begin := time.Now()
	if err := s.process.Start(); err != nil {
		return nil, err
	}
	for time.Since(begin) < time.Minute && ctx.Err() == nil {
		response, err := http.Get(s.base + "/health/ready")
		if err == nil {
			response.Body.Close()
			if response.StatusCode == http.StatusOK {
				s.started = time.Since(begin)
				return s, s.readEnv(filepath.Join(dir, "env"))
			}
		}
		time.Sleep(5 * time.Millisecond)
	}
	err := s.stop()
	return nil, errors.Join(fmt.Errorf("the server was not ready within a minute:\n%s", s.output), err)
}

func (s *stack) readEnv(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return errors.Join(err, s.stop())
	}
	defer f.Close()
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		name, value, _ := strings.Cut(lines.Text(), "=")
		s.env[name] = strings.Trim(value, "'")
	}
	return lines.Err()
}

func (s *stack) stop() error {
	if err := s.process.Process.Signal(syscall.SIGTERM); err != nil {
		return err
	}
	return s.process.Wait()
}

// peakMemory is the most resident memory the server had so far, in bytes.
func (s *stack) peakMemory() (float64, error) {
	content, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", s.process.Process.Pid))
	if err != nil {
		return 0, err
	}
	_, after, _ := strings.Cut(string(content), "VmHWM:")
	fields := strings.Fields(after)
	if len(fields) == 0 {
		return 0, errors.New("no VmHWM in /proc")
	}
	kilobytes, err := strconv.ParseFloat(fields[0], 64)
	return kilobytes * 1024, err
}

// allocations is how many objects the server has allocated so far.
func (s *stack) allocations(ctx context.Context) (float64, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, s.metrics, http.NoBody)
	if err != nil {
		return 0, err
	}
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		return 0, err
	}
	defer response.Body.Close()
	lines := bufio.NewScanner(response.Body)
	for lines.Scan() {
		if value, ok := strings.CutPrefix(lines.Text(), "go_memstats_mallocs_total "); ok {
			return strconv.ParseFloat(value, 64)
		}
	}
	return 0, errors.Join(errors.New("no go_memstats_mallocs_total in the server's metrics"), lines.Err())
}
