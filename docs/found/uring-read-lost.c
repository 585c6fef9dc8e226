// Expected: what a read has written to memory stays there, also if reclaim takes the memory.
// Linux 7.3.4: IORING_OP_READ_FIXED does not mark pages as dirty. If a page was clean when it was
// registered, reclaim drops it, with the data. Needs CONFIG_IO_URING, but not root. cc -static
#define _GNU_SOURCE
#include <linux/io_uring.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>
#define SIZE (16 * 4096L)
static char text[SIZE];

static int twos(volatile char *p)
{
	int count = 0;
	for (long i = 0; i < SIZE; i += 4096)
		count += p[i] == 2;
	return count;
}

// Reads twos into clean pages. Returns how many pages lose them, or -1.
static int lost(int flags, int fixed)
{
	struct io_uring_params params = { 0 };
	int ring = syscall(SYS_io_uring_setup, 1, &params), ends[2], before;
	char *p = mmap(0, SIZE, PROT_READ | PROT_WRITE, flags | MAP_ANONYMOUS, -1, 0);
	char *rings = mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, ring, IORING_OFF_SQ_RING);
	struct io_uring_sqe *sqe = mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, ring, IORING_OFF_SQES);
	struct iovec all = { p, SIZE };

	if (flags == MAP_SHARED)
		twos(p); // pages of zeros
	else
		madvise(memset(p, 1, SIZE), SIZE, MADV_FREE); // pages of ones
	// All pages are present now, and clean.
	if (pipe(ends) || write(ends[1], memset(text, 2, SIZE), SIZE) != SIZE)
		return perror("pipe"), -1;
	if (fixed) {
		if (syscall(SYS_io_uring_register, ring, IORING_REGISTER_BUFFERS, &all, 1))
			return perror("io_uring"), -1;
		*sqe = (struct io_uring_sqe){ .opcode = IORING_OP_READ_FIXED, .fd = ends[0], .off = -1, .addr = (long)p, .len = SIZE };
		__atomic_store_n((unsigned *)(rings + params.sq_off.tail), 1, __ATOMIC_RELEASE);
		syscall(SYS_io_uring_enter, ring, 1, 1, IORING_ENTER_GETEVENTS, 0, 0);
		syscall(SYS_io_uring_register, ring, IORING_UNREGISTER_BUFFERS, 0, 0);
	} else if (read(ends[0], p, SIZE) != SIZE) {
		return perror("read"), -1;
	}
	before = twos(p);
	madvise(p, SIZE, MADV_PAGEOUT);
	return before == 16 ? 16 - twos(p) : -1;
}

int main(void)
{
	int plain = lost(MAP_SHARED, 0) + lost(MAP_PRIVATE, 0), shared = lost(MAP_SHARED, 1), private = lost(MAP_PRIVATE, 1);

	if (plain || shared < 0 || private < 0)
		return printf("cannot be run: %d, %d, %d\n", plain, shared, private), 2;
	if (shared + private)
		return printf("BROKEN: what was read into registered buffers is lost: %d of 16 shared pages, %d of 16 private ones after MADV_FREE\n", shared, private), 1;
	return puts("ok"), 0;
}
