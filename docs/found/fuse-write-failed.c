// Expected: a write that fails with ENOSPC writes nothing. The twin: a page that is not in the page cache.
// Linux 7.3.4: FUSE keeps what the server has refused in the page cache. Reads show it, and the next write
// to a mapping of the page stores it. cc -static
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/fuse.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <unistd.h>

static struct { char data[1 << 16]; unsigned long size; int full; } *disk;

// A file system that is one file.
static void serve(int dev, unsigned flags)
{
	static char text[1 << 20], out[1 << 17];
	struct fuse_in_header *in = (void *)text;
	struct fuse_out_header *head = (void *)out;
	void *arg = in + 1, *reply = head + 1;

	while (read(dev, text, sizeof(text)) > 0) {
		struct fuse_attr attr = { .ino = 1, .size = disk->size, .mode = 0100600, .nlink = 1, .blksize = 4096 };
		struct fuse_write_in *w = arg;
		int size = 0, error = 0;
		unsigned long end = 0;

		memset(out, 0, 4096);
		switch (in->opcode) {
		case FUSE_INIT:
			*(struct fuse_init_out *)reply = (struct fuse_init_out) { .major = 7, .minor = FUSE_KERNEL_MINOR_VERSION, .flags = flags, .max_write = 65536 };
			size = sizeof(struct fuse_init_out);
			break;
		case FUSE_SETATTR:
		case FUSE_GETATTR:
			((struct fuse_attr_out *)reply)->attr = attr;
			size = sizeof(struct fuse_attr_out);
			break;
		case FUSE_OPEN:
			((struct fuse_open_out *)reply)->open_flags = FOPEN_KEEP_CACHE;
			size = sizeof(struct fuse_open_out);
			break;
		case FUSE_READ:
			size = w->size;
			memcpy(reply, disk->data + w->offset, size);
			break;
		case FUSE_WRITE:
			if (disk->full) {
				error = -ENOSPC;
				break;
			}
			memcpy(disk->data + w->offset, w + 1, w->size);
			end = w->offset + w->size;
			((struct fuse_write_out *)reply)->size = w->size;
			size = sizeof(struct fuse_write_out);
			break;
		case FUSE_RELEASE:
		case FUSE_FLUSH:
		case FUSE_FSYNC:
			break;
		default:
			error = -38;
		}
		if (end > disk->size)
			disk->size = end;
		*head = (struct fuse_out_header) { .len = sizeof(*head) + size, .error = error, .unique = in->unique };
		write(dev, out, head->len);
	}
}


int main(void)
{
	char options[64], text[100], *p, twin, c;
	int fd, child, stored, dev = open("/dev/fuse", O_RDWR);

	disk = mmap(0, sizeof(*disk), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	disk->size = 4096;
	close(open("/f", O_RDWR | O_CREAT, 0600));
	sprintf(options, "fd=%d,rootmode=100000,user_id=0,group_id=0", dev);
	if (dev < 0 || mount("f", "/f", "fuse", 0, options))
		return perror("fuse"), 2;
	child = fork();
	if (!child)
		serve(dev, 0), _exit(0);
	fd = open("/f", O_RDWR);
	memset(text, 1, sizeof(text));
	disk->full = 1;
	if (pwrite(fd, text, 100, 0) >= 0 || errno != ENOSPC || pread(fd, &twin, 1, 0) != 1 || pwrite(fd, text, 100, 0) >= 0 || errno != ENOSPC || pread(fd, &c, 1, 0) != 1)
		return perror("/f"), 2;
	disk->full = 0;
	p = mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	p[2000] = 7;
	stored = msync(p, 4096, MS_SYNC) ? -1 : disk->data[0];
	munmap(p, 4096);
	close(fd);
	umount2("/f", MNT_DETACH);
	kill(child, SIGKILL);
	close(dev);
	if (twin || stored < 0)
		return printf("a page that is not in the page cache: %d\n", twin), 2;
	printf(c || stored ? "BROKEN: a write of 1 fails, a read shows %d, and a write to the page through a mapping stores %d\n" : "ok\n", c, stored);
	return c || stored;
}
