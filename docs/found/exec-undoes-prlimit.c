// Expected: a limit that prlimit has set holds (prlimit(2)), also if the process executes execve at
// that time. The twin: RLIMIT_DATA. Linux 7.3.4: at its end, execve sets RLIMIT_STACK, hard limit
// and all, to what it was when execve began. Needs CONFIG_USERFAULTFD. cc -static
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
#define MB (1L << 20)
static char stack[65536], name[4096] = "x";

static int child(void *arg)
{
	return execve("/proc/self/exe", (char *[]) { name, arg, 0 }, (char *[]) { 0 });
}

int main(int argc, char **argv)
{
	struct rlimit old = { 8 * MB, 64 * MB }, limit = { MB, MB }, s, d;
	int fd = syscall(SYS_userfaultfd, O_CLOEXEC), pid;
	struct uffdio_api api = { UFFD_API };
	struct uffd_msg msg;
	char *p = mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct uffdio_register reg = { { (long)p, 4096 }, UFFDIO_REGISTER_MODE_MISSING };
	struct uffdio_copy copy = { (long)p, (long)name, 4096 };

	if (argc > 1 && argv[1][0] == 'x')
		return pause();
	setrlimit(RLIMIT_STACK, &old), setrlimit(RLIMIT_DATA, &old);
	if (fd < 0 || ioctl(fd, UFFDIO_API, &api) || ioctl(fd, UFFDIO_REGISTER, &reg))
		return perror("userfaultfd"), 2;
	pid = clone(child, stack + sizeof(stack), CLONE_VM | SIGCHLD, p);
	if (read(fd, &msg, sizeof(msg)) != sizeof(msg) || msg.event != UFFD_EVENT_PAGEFAULT)
		return perror("read"), 2;
	// The child is in execve, and reads its argument.
	if (prlimit(pid, RLIMIT_STACK, &limit, 0) || prlimit(pid, RLIMIT_DATA, &limit, 0) || ioctl(fd, UFFDIO_COPY, &copy))
		return perror("prlimit"), 2;
	sleep(2);
	prlimit(pid, RLIMIT_STACK, 0, &s), prlimit(pid, RLIMIT_DATA, 0, &d), kill(pid, 9), wait(0);
	if (s.rlim_max == MB && s.rlim_cur == MB)
		return printf("ok\n"), 0;
	printf("BROKEN: prlimit sets two limits to 1 MB during execve: then RLIMIT_DATA is %ld MB (hard %ld), RLIMIT_STACK %ld MB (hard %ld)\n",
	       d.rlim_cur / MB, d.rlim_max / MB, s.rlim_cur / MB, s.rlim_max / MB);
	return 1;
}
