// Expected: nobody changes a memfd with F_SEAL_WRITE (fcntl(2)). The twins: mmap of the memfd itself, and
// write to the FUSE file, fail. Linux 7.3.4: if the memfd is the backing file of a FUSE file (passthrough),
// mmap of the FUSE file gives a writable mapping of the sealed memfd. cc -static
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/fuse.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <unistd.h>
#define BACKING_OPEN _IOW(229, 1, struct { int fd; unsigned flags; long padding; })

// A file system that is one file, whose backing file is fd.
static void serve(int dev, int fd)
{
	static char text[1 << 20], out[1 << 16];
	struct fuse_in_header *in = (void *)text;
	struct fuse_out_header *head = (void *)out;
	struct { int fd; unsigned flags; long padding; } map = { .fd = fd };
	void *reply = head + 1;

	while (read(dev, text, sizeof(text)) > 0) {
		int size = 0, error = 0, id = 0;

		memset(out, 0, 4096);
		switch (in->opcode) {
		case FUSE_INIT:
			*(struct fuse_init_out *)reply = (struct fuse_init_out) { .major = 7, .minor = FUSE_KERNEL_MINOR_VERSION,
				.flags = FUSE_INIT_EXT, .flags2 = 1 << 5, .unused[0] = 1, .max_write = 65536 }; // FUSE_PASSTHROUGH, max_stack_depth
			size = sizeof(struct fuse_init_out);
			break;
		case FUSE_SETATTR:
		case FUSE_GETATTR:
			((struct fuse_attr_out *)reply)->attr = (struct fuse_attr) { .ino = 1, .size = 4096, .mode = 0100600, .nlink = 1 };
			size = sizeof(struct fuse_attr_out);
			break;
		case FUSE_OPEN:
			id = ioctl(dev, BACKING_OPEN, &map);
			*(struct fuse_open_out *)reply = (struct fuse_open_out) { .open_flags = 1 << 7, .padding = id }; // FOPEN_PASSTHROUGH, backing_id
			size = sizeof(struct fuse_open_out);
			break;
		case FUSE_RELEASE:
		case FUSE_FLUSH:
			break;
		default:
			error = -ENOSYS;
		}
		if (id < 0)
			error = -errno, size = 0;
		*head = (struct fuse_out_header) { .len = sizeof(*head) + size, .error = error, .unique = in->unique };
		write(dev, out, head->len);
	}
}

int main(void)
{
	char options[64], now[8] = "", *p;
	int fd, child, direct, written, dev = open("/dev/fuse", O_RDWR), sealed = memfd_create("sealed", MFD_ALLOW_SEALING);

	write(sealed, "old", 4), ftruncate(sealed, 4096);
	if (fcntl(sealed, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW))
		return perror("F_ADD_SEALS"), 2;
	close(open("/f", O_RDWR | O_CREAT, 0600));
	sprintf(options, "fd=%d,rootmode=100000,user_id=0,group_id=0", dev);
	if (dev < 0 || mount("f", "/f", "fuse", 0, options))
		return perror("fuse"), 2;
	if (!(child = fork()))
		prctl(PR_SET_PDEATHSIG, SIGKILL), serve(dev, sealed), _exit(0);
	if ((fd = open("/f", O_RDWR)) < 0)
		return perror("FOPEN_PASSTHROUGH"), 2;
	direct = mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, sealed, 0) == MAP_FAILED ? errno : 0;
	written = write(fd, "new", 4) < 0 ? errno : 0;
	p = mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (p != MAP_FAILED)
		strcpy(p, "new");
	pread(sealed, now, 4, 0);
	umount2("/f", MNT_DETACH), kill(child, SIGKILL), close(dev);
	if (!strcmp(now, "old"))
		return puts("ok"), 0;
	printf("BROKEN: a memfd with F_SEAL_WRITE changes from \"old\" to \"%s\"; mmap of the memfd: %s; write to the FUSE file: %s\n",
		now, strerror(direct), strerror(written));
	return 1;
}
