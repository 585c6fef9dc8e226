// Expected: what is written to /proc/PID/coredump_filter holds (Documentation/filesystems/proc.rst),
// also if the process executes execve at that time. The twin: oom_score_adj. Linux 7.3.4: after
// execve it is what it was when execve began. Needs CONFIG_USERFAULTFD. cc -static
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
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

// Reads or writes a number of a file of a process.
static long number(int pid, const char *file, const char *text, int base)
{
	char path[64], buffer[64] = "";
	int fd;

	sprintf(path, "/proc/%d/%s", pid, file), fd = open(path, text ? O_WRONLY : O_RDONLY);
	if (fd < 0 || (text ? write(fd, text, strlen(text)) : read(fd, buffer, 63)) <= 0)
		perror(path), exit(2);
	return close(fd), strtol(buffer, 0, base);
}

int main(int argc, char **argv)
{
	int fd = syscall(SYS_userfaultfd, O_CLOEXEC), pid;
	struct uffdio_api api = { UFFD_API };
	struct uffd_msg msg;
	char *p = mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct uffdio_register reg = { { (long)p, 4096 }, UFFDIO_REGISTER_MODE_MISSING };
	struct uffdio_copy copy = { (long)p, (long)name, 4096 };
	long filter, adj;

	if (argc > 1 && argv[1][0] == 'x')
		return pause();
	number(getpid(), "coredump_filter", "0x33", 16);
	if (fd < 0 || ioctl(fd, UFFDIO_API, &api) || ioctl(fd, UFFDIO_REGISTER, &reg))
		return perror("userfaultfd"), 2;
	pid = clone(child, stack + sizeof(stack), CLONE_VM | SIGCHLD, p);
	if (read(fd, &msg, sizeof(msg)) != sizeof(msg) || msg.event != UFFD_EVENT_PAGEFAULT)
		return perror("read"), 2;
	// The child is in execve, and reads its argument.
	number(pid, "coredump_filter", "0x0", 16), number(pid, "oom_score_adj", "500", 10);
	if (number(pid, "coredump_filter", 0, 16) || ioctl(fd, UFFDIO_COPY, &copy))
		return perror("coredump_filter"), 2;
	sleep(2), filter = number(pid, "coredump_filter", 0, 16), adj = number(pid, "oom_score_adj", 0, 10);
	kill(pid, 9), wait(0);
	if (!filter)
		return printf("ok\n"), 0;
	printf("BROKEN: during execve, oom_score_adj is set to 500 and coredump_filter to 0; after it they are %ld and 0x%lx\n", adj, filter);
	return 1;
}
