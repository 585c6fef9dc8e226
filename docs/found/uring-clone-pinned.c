// Expected: VmPin of /proc/self/status is 0 when no memory is pinned, and RLIMIT_MEMLOCK holds.
// Linux 7.3.4: if one of two buffers in the same huge page is cloned to another ring of io_uring, the
// page is uncharged twice. Needs CONFIG_IO_URING and CONFIG_TRANSPARENT_HUGEPAGE. cc -static
#define _GNU_SOURCE
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>
#define HUGE (2UL << 20)
#define REGISTER(ring, what, arg, count) syscall(SYS_io_uring_register, ring, what, arg, count)
enum { REGISTER_BUFFERS, UNREGISTER_BUFFERS, CLONE_BUFFERS = 30 };

static long long pinned(void)
{
	char text[4096] = "";
	FILE *status = fopen("/proc/self/status", "r");

	fread(text, 1, sizeof(text) - 1, status);
	fclose(status);
	return strtoull(strstr(text, "VmPin:") + 6, 0, 10);
}

int main(void)
{
	char parameters[120] = "", *p = mmap(0, 2 * HUGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct { uint32_t from, flags, from_index, to_index, count, pad[3]; } clone = { .from_index = 1, .count = 1 };
	int from, to;

	if (setuid(1000))	// not for CAP_IPC_LOCK
		return perror("setuid"), 2;
	from = syscall(SYS_io_uring_setup, 4, parameters);
	memset(parameters, 0, sizeof(parameters));
	to = syscall(SYS_io_uring_setup, 4, parameters);
	clone.from = from;
	if (from < 0 || to < 0)
		return puts("cannot be run: no io_uring"), 2;
	p = (char *)(((uintptr_t)p + HUGE - 1) & -HUGE);
	madvise(p, HUGE, MADV_HUGEPAGE);
	*p = 1;
	struct iovec buffers[] = { { p, 4096 }, { p + 8192, 4096 } };
	if (REGISTER(from, REGISTER_BUFFERS, buffers, 2) || pinned() != 2048)
		return printf("no huge page: %lld kB\n", pinned()), 2;
	if (REGISTER(to, CLONE_BUFFERS, &clone, 1))
		return perror("clone"), 2;
	REGISTER(from, UNREGISTER_BUFFERS, 0, 0);
	long long one = pinned();
	REGISTER(to, UNREGISTER_BUFFERS, 0, 0);
	printf(one != 2048 || pinned() ? "BROKEN: VmPin: %lld kB while a buffer is registered, %lld kB when none is\n" : "ok\n", one, pinned());
	return one != 2048 || pinned();
}
