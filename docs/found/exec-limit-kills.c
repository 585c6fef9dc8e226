// Expected: a process that executes execve survives a lower RLIMIT_STACK (twin: the same limit before
// execve). bprm_mm_init saves the "current stack limit for all calculations made during exec".
// Linux 7.3.4: if prlimit sets 64 kB during execve, execve kills the process. Needs
// CONFIG_USERFAULTFD. cc -static
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
static char stack[65536], name[4096] = "x";

static int child(void *arg)
{
	return execve("/proc/self/exe", (char *[]) { name, arg, 0 }, (char *[]) { 0 });
}

// The status of a child 2 s after execve, 0 while it runs. It gets a limit of 64 kB before execve, or
// while execve reads an argument.
static int run(int during)
{
	int fd = syscall(SYS_userfaultfd, O_CLOEXEC), pid, status = 0;
	struct rlimit old = { 8 << 20, 64 << 20 }, limit = { 64 << 10, 64 << 20 };
	struct uffdio_api api = { UFFD_API };
	struct uffd_msg msg;
	char *p = mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct uffdio_register reg = { { (long)p, 4096 }, UFFDIO_REGISTER_MODE_MISSING };
	struct uffdio_copy copy = { (long)p, (long)name, 4096 };

	if (fd < 0 || ioctl(fd, UFFDIO_API, &api) || ioctl(fd, UFFDIO_REGISTER, &reg))
		perror("userfaultfd"), exit(2);
	setrlimit(RLIMIT_STACK, during ? &old : &limit);
	pid = clone(child, stack + sizeof(stack), CLONE_VM | SIGCHLD, p);
	setrlimit(RLIMIT_STACK, &old);
	if (read(fd, &msg, sizeof(msg)) != sizeof(msg) || (during && prlimit(pid, RLIMIT_STACK, &limit, 0)) || ioctl(fd, UFFDIO_COPY, &copy))
		perror("prlimit"), exit(2);
	sleep(2), waitpid(pid, &status, WNOHANG), kill(pid, 9), waitpid(pid, 0, 0);
	return status;
}

int main(int argc, char **argv)
{
	int twin, status;

	if (argc > 1 && argv[1][0] == 'x')
		return pause();
	twin = run(0), status = run(1);
	if (twin)
		return printf("cannot be run: status %d\n", twin), 2;
	if (!status)
		return printf("ok\n"), 0;
	printf("BROKEN: with RLIMIT_STACK of 64 kB, set before execve, a process runs; if it is set during execve, signal %d kills the process\n", status & 127);
	return 1;
}
