// Expected: after BPF_MAP_FREEZE no system call changes the map (linux/bpf.h), as F_SEAL_WRITE refuses
// while a buffer of io_uring has pages of a memfd. Linux 7.3.4: a read into such a buffer changes the
// frozen map. Needs CONFIG_BPF_SYSCALL and CAP_BPF. cc -static
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/bpf.h>
#include <linux/io_uring.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

static struct io_uring_params params;
static int ring, zero;
static unsigned *sq;
static struct io_uring_sqe *sqe;

static void pin(char *p)
{
	if (syscall(SYS_io_uring_register, ring, IORING_REGISTER_BUFFERS, &(struct iovec){ p, 4096 }, 1))
		perror("IORING_REGISTER_BUFFERS"), _exit(2);
	munmap(p, 4096);
}

int main(void)
{
	union bpf_attr map = { .map_type = BPF_MAP_TYPE_ARRAY, .map_flags = BPF_F_MMAPABLE, .max_entries = 1, .key_size = 4, .value_size = 4096 };
	int fd = syscall(SYS_bpf, BPF_MAP_CREATE, &map, sizeof(map)), memfd = memfd_create("twin", MFD_ALLOW_SEALING);
	int file = memfd_create("new", 0), sealed, frozen, update;
	static char value[4096], data[4096] = "new";

	ring = syscall(SYS_io_uring_setup, 4, &params), ftruncate(memfd, 4096), write(file, data, 4096);
	sq = mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, ring, IORING_OFF_SQ_RING);
	sqe = mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, ring, IORING_OFF_SQES);
	pin(mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, memfd, 0));
	sealed = fcntl(memfd, F_ADD_SEALS, F_SEAL_WRITE);
	syscall(SYS_io_uring_register, ring, IORING_UNREGISTER_BUFFERS, 0, 0);
	char *p = mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (p == MAP_FAILED)
		return perror("mmap"), 2;
	strcpy(p, "old"), pin(p);
	union bpf_attr freeze = { .map_fd = fd }, look = { .map_fd = fd, .key = (long)&zero, .value = (long)value };
	frozen = syscall(SYS_bpf, BPF_MAP_FREEZE, &freeze, sizeof(freeze));
	update = syscall(SYS_bpf, BPF_MAP_UPDATE_ELEM, &look, sizeof(look));
	*sqe = (struct io_uring_sqe){ .opcode = IORING_OP_READ_FIXED, .fd = file, .addr = (long)p, .len = 4096 };
	((unsigned *)((char *)sq + params.sq_off.array))[0] = 0, ((unsigned *)((char *)sq + params.sq_off.tail))[0]++;
	syscall(SYS_io_uring_enter, ring, 1, 1, IORING_ENTER_GETEVENTS, 0, 0);
	syscall(SYS_bpf, BPF_MAP_LOOKUP_ELEM, &look, sizeof(look));
	if (frozen || !strcmp(value, "old"))
		return puts("ok"), 0;
	printf("BROKEN: a frozen map (update: %d) changes from \"old\" to \"%s\"; F_SEAL_WRITE of a memfd: %d\n", update, value, sealed);
	return 1;
}
