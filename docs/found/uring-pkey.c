// Expected: a read to memory that a protection key denies fails, as after mprotect (protection-keys.rst). That
// text says that io_uring uses the default rights, which deny each key but 0. Linux 7.3.4: a worker of
// io_uring has the rights that its creator had at that time, and keeps them: it writes to memory that both the
// thread and the default deny. The twins have no IOSQE_ASYNC, or begin with the key denied. cc -static
#define _GNU_SOURCE
#include <linux/io_uring.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
static char *p;
static int *got;

static int result(int rights, int later, int flags, int pkey) // of a read into p
{
	struct io_uring_params params = { 0 };
	int ring = syscall(SYS_io_uring_setup, 4, &params), ends[2], res = -999;
	char *rings = mmap(0, 8192, PROT_READ | PROT_WRITE, MAP_SHARED, ring, IORING_OFF_SQ_RING), byte[8];
	struct io_uring_sqe *sqe = mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, ring, IORING_OFF_SQES);
	struct io_uring_cqe *cqe = (void *)(rings + params.cq_off.cqes);

	if (ring < 0 || pipe(ends) || write(ends[1], "12345678", 8) != 8)
		return res;
	pkey_set(pkey, rights);
	for (unsigned i = 0; i < 2; i++) { // the first request starts the worker, the second reads into p
		if (i)
			usleep(200000), pkey_set(pkey, later); // the worker is idle now
		sqe[i] = (struct io_uring_sqe){ .opcode = IORING_OP_READ, .flags = flags, .fd = ends[0], .off = -1, .addr = (long)(i ? p : byte), .len = 4 };
		((unsigned *)(rings + params.sq_off.array))[i] = i;
		__atomic_store_n((unsigned *)(rings + params.sq_off.tail), i + 1, __ATOMIC_RELEASE);
		syscall(SYS_io_uring_enter, ring, 1, i + 1, IORING_ENTER_GETEVENTS, 0, 0);
		res = cqe[i].res;
		if (!i && res != 4)
			return -998;
	}
	close(ring);
	pkey_set(pkey, 0);
	return res;
}

int main(void)
{
	int pkey = pkey_alloc(0, 0);

	p = mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (pkey < 0 || pkey_mprotect(p, 4096, PROT_READ | PROT_WRITE, pkey))
		return perror("a protection key"), 2;
	got = mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	for (int i = 0; i < 4; i++) {
		if (!fork()) { // each with workers of its own
			int before = i & 1 ? PKEY_DISABLE_ACCESS : 0, later = PKEY_DISABLE_ACCESS - before;
			got[i] = result(before, later, i & 2 ? IOSQE_ASYNC : 0, pkey);
			_exit(0);
		}
		wait(0);
	}
	if (got[0] != -14 || got[1] != 4)
		return printf("cannot be run: %d %d\n", got[0], got[1]), 2;
	if (got[2] == got[0] && got[3] == got[1])
		return puts("ok"), 0;
	printf("BROKEN: the key denies access: a read with IOSQE_ASYNC says %d (without it %d); the key allows access: %d (%d)\n", got[2], got[0], got[3], got[1]);
	return 1;
}
