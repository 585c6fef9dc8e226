// Expected: what process_mrelease has taken away cannot be read (comment of
// check_stable_address_space: before "establishing a page table entry for a !shared mapping").
// The twins: anonymous memory; a write. Linux 7.3.4: memory of a private mapping of a file is again
// what the file has. cc -static
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
#define RW (PROT_READ | PROT_WRITE)

int main(void)
{
	int fd = memfd_create("a", 0), pid, status, pidfd;
	char *p[2], c[2] = "??";
	long got[2], put;

	if (fd < 0 || write(fd, "old", 3) != 3 || ftruncate(fd, 4096))
		return perror("memfd_create"), 2;
	p[0] = mmap(0, 4096, RW, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), p[1] = mmap(0, 4096, RW, MAP_PRIVATE, fd, 0);
	if (!(pid = fork())) {
		strcpy(p[0], "new"), strcpy(p[1], "new");
		return pause();
	}
	sleep(1), pidfd = syscall(SYS_pidfd_open, pid, 0);
	if (ptrace(PTRACE_SEIZE, pid, 0, PTRACE_O_TRACEEXIT) || process_vm_readv(pid, &(struct iovec){ c, 1 }, 1, &(struct iovec){ p[1], 1 }, 1, 0) != 1 || *c != 'n')
		return perror("ptrace"), 2;
	// The process is killed, but does not end yet.
	kill(pid, SIGKILL), waitpid(pid, &status, 0);
	if (status >> 8 != (SIGTRAP | PTRACE_EVENT_EXIT << 8) || syscall(SYS_process_mrelease, pidfd, 0))
		return perror("process_mrelease"), 2;
	put = process_vm_writev(pid, &(struct iovec){ c, 1 }, 1, &(struct iovec){ p[1], 1 }, 1, 0);
	for (int i = 0; i < 2; i++)
		got[i] = process_vm_readv(pid, &(struct iovec){ c + i, 1 }, 1, &(struct iovec){ p[i], 1 }, 1, 0);
	ptrace(PTRACE_CONT, pid, 0, 0), wait(0);
	if (got[1] != 1)
		return printf("ok\n"), 0;
	printf("BROKEN: \"new\" is taken away. Then a read of anonymous memory says %ld, a write to private memory of a file %ld, but a read of it %ld: '%c'\n", got[0], put, got[1], c[1]);
	return 1;
}
