// Expected: what process_mrelease has taken away cannot be read (comment of
// check_stable_address_space: no "zero pages instead of the original content"). The twin: a read
// before MADV_COLLAPSE. Linux 7.3.4: MADV_COLLAPSE makes zeros of it. cc -static
#define _GNU_SOURCE
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>
#define HUGE (2L << 20)
#ifndef MADV_COLLAPSE
#define MADV_COLLAPSE 25
#endif

int main(void)
{
	int pid, status, pidfd;
	char *p = mmap(0, 2 * HUGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), c = '?';
	struct iovec here = { &c, 1 }, there, all;
	long twin, got, collapsed;

	p = (char *)(((long)p + HUGE - 1) & -HUGE), there = (struct iovec){ p, 1 }, all = (struct iovec){ p, HUGE };
	if (!(pid = fork())) {
		memset(p, 'n', HUGE);
		return pause();
	}
	sleep(1), pidfd = syscall(SYS_pidfd_open, pid, 0);
	if (ptrace(PTRACE_SEIZE, pid, 0, PTRACE_O_TRACEEXIT) || process_vm_readv(pid, &here, 1, &there, 1, 0) != 1 || c != 'n')
		return perror("ptrace"), 2;
	// The process is killed, but does not end yet.
	kill(pid, SIGKILL), waitpid(pid, &status, 0);
	if (status >> 8 != (SIGTRAP | PTRACE_EVENT_EXIT << 8) || syscall(SYS_process_mrelease, pidfd, 0))
		return perror("process_mrelease"), 2;
	twin = process_vm_readv(pid, &here, 1, &there, 1, 0);
	collapsed = syscall(SYS_process_madvise, pidfd, &all, 1, MADV_COLLAPSE, 0);
	got = process_vm_readv(pid, &here, 1, &there, 1, 0);
	ptrace(PTRACE_CONT, pid, 0, 0), wait(0);
	if (got != 1)
		return printf("ok\n"), 0;
	printf("BROKEN: 'n' is taken away: a read says %ld. After MADV_COLLAPSE (%ld bytes) a read says %ld, and gets %d\n", twin, collapsed, got, c);
	return 1;
}
