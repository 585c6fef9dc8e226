// Expected: what is written behind the end of a file through a mapping "is never written to the file"
// (mmap(2)). The twin: a write further behind makes this gap zeros, without the writeback cache. Linux
// 7.3.4: in FUSE, the file then contains these bytes, on disk, too, if the write is a direct one, or if
// FUSE has its writeback cache. cc -static
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/fuse.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <unistd.h>

static struct { char data[1 << 16]; unsigned long size; } *disk;

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

// What a byte of the file contains that was written through a mapping when it was behind the end.
static int stale(unsigned flags, int direct)
{
	char options[64], text[100], *p, c;
	int fd, child, dev = open("/dev/fuse", O_RDWR);

	sprintf(options, "fd=%d,rootmode=100000,user_id=0,group_id=0", dev);
	memset(disk, 0, sizeof(*disk));
	if (dev < 0 || mount("f", "/f", "fuse", 0, options))
		return perror("fuse"), -1;
	child = fork();
	if (!child)
		serve(dev, flags), _exit(0);
	fd = open("/f", O_RDWR);
	memset(text, 1, sizeof(text));
	if (fd < 0 || pwrite(fd, text, 100, 0) != 100)
		return perror("/f"), -1;
	p = mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	p[200] = 7;
	if (direct)
		fcntl(fd, F_SETFL, O_DIRECT);
	if (pwrite(fd, text, 100, 8192) != 100)
		return perror("/f"), -1;
	fcntl(fd, F_SETFL, 0);
	if (fsync(fd) || pread(fd, &c, 1, 200) != 1 || c != disk->data[200])
		return perror("fsync"), -1;
	munmap(p, 4096);
	close(fd);
	umount2("/f", MNT_DETACH);
	kill(child, SIGKILL);
	close(dev);
	return c;
}

int main(void)
{
	int twin, cache, direct;

	disk = mmap(0, sizeof(*disk), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	close(open("/f", O_RDWR | O_CREAT, 0600));
	twin = stale(0, 0);
	cache = stale(FUSE_WRITEBACK_CACHE, 0);
	direct = stale(0, 1);
	if (twin || cache < 0 || direct < 0)
		return printf("without the writeback cache: %d\n", twin), 2;
	printf(cache || direct ? "BROKEN: a longer file gains %d with the writeback cache, %d after a direct write, and not 0\n" : "ok\n", cache, direct);
	return cache || direct;
}
