// Expected: RLIMIT_MEMLOCK limits the buffers that a user registers with io_uring, and VmPin counts
// them (io_uring_register(2), IORING_REGISTER_BUFFERS).
// Linux 7.3.4: if two buffers of a ring lie in one huge page, a clone of one of them stays pinned
// without being counted, and at its end the huge page is taken off the count once more. Needs
// CONFIG_IO_URING and CONFIG_TRANSPARENT_HUGEPAGE. cc -static
#define _GNU_SOURCE
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>
#define HUGE (2L << 20)
enum { REGISTER = 0, UNREGISTER = 1, CLONE = 30, REPLACE = 2 };

static int ring(int fd, int op, void *arg, int n)
{
	return syscall(SYS_io_uring_register, fd, op, arg, n);
}

static char *vm_pin(char *text)
{
	fread(text, 1, 4096, fopen("/proc/self/status", "r"));
	char *at = strtok(strstr(text, "VmPin:") + 6, "\n");
	return at + strspn(at, "\t ");
}

int main(void)
{
	static char pinned[4097], unpinned[4097], params[2][120];
	int from, to, count = 0;
	char *now, *then;

	setrlimit(RLIMIT_MEMLOCK, &(struct rlimit){ 3 << 20, 3 << 20 });
	setuid(1000);
	from = syscall(SYS_io_uring_setup, 1, params[0]);
	to = syscall(SYS_io_uring_setup, 1, params[1]);
	if (from < 0 || to < 0)
		return perror("io_uring_setup"), 2;
	for (; count < 8; count++) {
		char *p = mmap((char *)0x700000000000 + count * HUGE, HUGE, PROT_READ | PROT_WRITE, MAP_FIXED | MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		madvise(p, HUGE, MADV_HUGEPAGE);
		memset(p, 1, HUGE);
		struct iovec halves[2] = { { p, HUGE / 2 }, { p + HUGE / 2, HUGE / 2 } };
		unsigned clone[8] = { from, count ? REPLACE : 0, 1, count, 1 }; // buffer 1 of FROM becomes buffer COUNT of TO
		if (ring(from, REGISTER, halves, 2) || ring(to, CLONE, clone, 1) || ring(from, UNREGISTER, 0, 0))
			break;
	}
	now = vm_pin(pinned);
	ring(to, UNREGISTER, 0, 0);
	then = vm_pin(unpinned);
	printf(count > 1 ? "BROKEN: the limit is 3 MiB; while %d MiB are pinned, VmPin is %s; once nothing is pinned, VmPin is %s\n" : "ok\n", count * 2, now, then);
	return count > 1;
}
