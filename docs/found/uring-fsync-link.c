// Expected: if a request of a chain fails, what follows is cancelled (io_uring_enter(2), IOSQE_IO_LINK), and
// the failure is reported in spite of IOSQE_CQE_SKIP_SUCCESS. The twin: IORING_OP_WRITE with RWF_DSYNC.
// Linux 7.3.4: after an IORING_OP_FSYNC that fails, the next write runs, and the error is never reported.
// Needs a loop device. cc -static
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/io_uring.h>
#include <linux/loop.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

static char data[4096] = "data";

// A chain of this request, which shall store the data, and the write of a record that says so: the error that
// is reported, and the size of the record.
static void chain(struct io_uring_sqe one, int *error, int *next)
{
	struct io_uring_params params = {};
	int ring = syscall(SYS_io_uring_setup, 4, &params), record = memfd_create("record", 0);
	char *sq = mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, ring, IORING_OFF_SQ_RING);
	struct io_uring_sqe *sqe = mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, ring, IORING_OFF_SQES);
	struct io_uring_cqe *cqe = (void *)(sq + params.cq_off.cqes);

	if (ring < 0)
		perror("io_uring_setup"), _exit(2);
	sqe[0] = one, sqe[0].flags = IOSQE_IO_LINK | IOSQE_CQE_SKIP_SUCCESS, sqe[0].user_data = 1;
	sqe[1] = (struct io_uring_sqe){ .opcode = IORING_OP_WRITE, .fd = record, .addr = (long)"stored", .len = 7, .user_data = 2 };
	((unsigned *)(sq + params.sq_off.array))[1] = 1;
	*(unsigned *)(sq + params.sq_off.tail) = 2;
	syscall(SYS_io_uring_enter, ring, 2, 1, IORING_ENTER_GETEVENTS, 0, 0);
	sleep(1), syscall(SYS_io_uring_enter, ring, 0, 0, IORING_ENTER_GETEVENTS, 0, 0);
	for (int i = *error = 0; i < *(int *)(sq + params.cq_off.tail); i++)
		if (cqe[i].user_data == 1)
			*error = cqe[i].res;
	*next = lseek(record, 0, SEEK_END);
}

int main(void)
{
	int memfd = memfd_create("disk", MFD_ALLOW_SEALING), loop = open("/dev/loop0", O_RDWR), fd, plain, error, next, twin, twin_next;

	ftruncate(memfd, 1 << 20);
	if (loop < 0 || ioctl(loop, LOOP_SET_FD, memfd) || fcntl(memfd, F_ADD_SEALS, F_SEAL_WRITE))
		return perror("/dev/loop0"), 2;
	// From here on, each write to the disk fails.
	fd = open("/dev/loop0", O_RDWR), pwrite(fd, data, 4096, 0), plain = fsync(fd) ? errno : 0;
	fd = open("/dev/loop0", O_RDWR);
	chain((struct io_uring_sqe){ .opcode = IORING_OP_WRITE, .fd = fd, .addr = (long)data, .len = 4096, .rw_flags = RWF_DSYNC }, &twin, &twin_next);
	fd = open("/dev/loop0", O_RDWR), pwrite(fd, data, 4096, 0);
	chain((struct io_uring_sqe){ .opcode = IORING_OP_FSYNC, .fd = fd }, &error, &next);
	ioctl(loop, LOOP_CLR_FD);
	if (plain != EIO || twin >= 0)
		return printf("the disk stores data: %d %d\n", plain, twin), 2;
	if (error < 0 && !next)
		return puts("ok"), 0;
	printf("BROKEN: fsync(2): %s; IORING_OP_FSYNC reports %d, and the next write of its chain stores %d bytes; a synchronous write reports %d, and the next stores %d\n",
		strerror(plain), error, next, twin, twin_next);
	return 1;
}
