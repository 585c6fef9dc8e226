// Expected: VmPin of /proc/PID/status counts the memory that a process has pinned.
// Linux 7.3.4: for a process with CAP_IPC_LOCK it does not count buffers that are registered with
// io_uring. Needs CONFIG_IO_URING and root. cc -static
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>
#define LEN (1L << 20)

// Registers 1 MiB as a buffer in a child of that user. Returns VmPin of the child.
static int pinned(int user)
{
	static char text[4097], params[120];
	int status;

	if (!fork()) {
		char *p = mmap(0, LEN, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		int ring = setuid(user) ? -1 : syscall(SYS_io_uring_setup, 1, params);
		if (syscall(SYS_io_uring_register, ring, 0 /* buffers */, &(struct iovec){ p, LEN }, 1))
			perror("io_uring"), _exit(255);
		fread(text, 1, 4096, fopen("/proc/self/status", "r"));
		_exit(atoi(strstr(text, "VmPin:") + 6) / 8);
	}
	wait(&status);
	return WEXITSTATUS(status) * 8;
}

int main(void)
{
	int user = pinned(1000), root = pinned(0);

	printf(user == 1024 && root == 0 ? "BROKEN: VmPin of 1024 kB of registered buffers: %d kB for a user, %d kB for root\n" : "ok\n", user, root);
	return user == 1024 && root == 0;
}
