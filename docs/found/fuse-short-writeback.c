// Expected: msync and fsync report that data was not stored (fsync(2)). The twin: write says how many bytes
// the server has taken. Linux 7.3.4: if a FUSE server takes only a part of what a mapping has written,
// msync and fsync say 0, and the rest is lost. cc -static
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
			if (w->size > 1024)
				w->size = 1024;
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
	char options[64], text[4096], *p, c;
	int fd, child, error, dev = open("/dev/fuse", O_RDWR);
	long twin;

	disk = mmap(0, sizeof(*disk), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	disk->size = 8192;
	close(open("/f", O_RDWR | O_CREAT, 0600));
	sprintf(options, "fd=%d,rootmode=100000,user_id=0,group_id=0", dev);
	if (dev < 0 || mount("f", "/f", "fuse", 0, options))
		return perror("fuse"), 2;
	child = fork();
	if (!child)
		serve(dev, 0), _exit(0);
	fd = open("/f", O_RDWR);
	memset(text, 1, sizeof(text));
	twin = pwrite(fd, text, 4096, 4096);
	p = mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	memset(p, 7, 4096);
	error = msync(p, 4096, MS_SYNC) || fsync(fd);
	munmap(p, 4096);
	posix_fadvise(fd, 0, 4096, POSIX_FADV_DONTNEED);
	if (pread(fd, &c, 1, 2000) != 1)
		return perror("read"), 2;
	error |= close(fd);
	umount2("/f", MNT_DETACH);
	kill(child, SIGKILL);
	close(dev);
	if (twin != 1024)
		return printf("write: %ld\n", twin), 2;
	printf(error || c == 7 ? "ok\n" : "BROKEN: write says that 1024 bytes are stored, msync and fsync say 0, and the file contains %d instead of 7\n", c);
	return !error && c != 7;
}
