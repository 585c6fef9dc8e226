// Expected: msync and fsync report that data was not stored (fsync(2)). The twins: write, and a server that
// knows FUSE_FSYNC. Linux 7.3.4: after the death of a FUSE server that does not know FUSE_FSYNC, what a
// mapping has written is thrown away, and msync, fsync and close say 0. cc -static
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/fuse.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static struct { char data[1 << 16]; unsigned long size; } *disk;

// A file system that is one file.
static void serve(int dev, int knows_fsync)
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
			*(struct fuse_init_out *)reply = (struct fuse_init_out) { .major = 7, .minor = FUSE_KERNEL_MINOR_VERSION, .max_write = 65536 };
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
			break;
		case FUSE_FSYNC:
			error = knows_fsync ? 0 : -ENOSYS;
			break;
		default:
			error = -ENOSYS;
		}
		if (end > disk->size)
			disk->size = end;
		*head = (struct fuse_out_header) { .len = sizeof(*head) + size, .error = error, .unique = in->unique };
		write(dev, out, head->len);
	}
}

static const char *word(int failed)
{
	return failed ? strerror(errno) : "0";
}

// What msync, fsync, close and write say after the server has died.
static int after_death(int knows_fsync, char *text)
{
	char options[64], *p;
	struct stat stat;
	int fd, child, dev = open("/dev/fuse", O_RDWR), lost;

	disk->size = 4096;
	sprintf(options, "fd=%d,rootmode=100000,user_id=0,group_id=0", dev);
	if (dev < 0 || mount("f", "/f", "fuse", 0, options))
		perror("fuse"), _exit(2);
	if (!(child = fork()))
		prctl(PR_SET_PDEATHSIG, SIGKILL), serve(dev, knows_fsync), _exit(0);
	close(dev), fd = open("/f", O_RDWR), fstat(fd, &stat);
	p = mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	p[0] = 1;
	if (msync(p, 4096, MS_SYNC) || disk->data[0] != 1)
		perror("msync"), _exit(2);
	kill(child, SIGKILL), waitpid(child, 0, 0);
	p[0] = 7;
	text += sprintf(text, "msync: %s", word(lost = msync(p, 4096, MS_SYNC)));
	text += sprintf(text, ", fsync: %s", word(fsync(fd)));
	sprintf(text, ", write: %s", word(pwrite(fd, "x", 1, 0) < 0));
	munmap(p, 4096), close(fd), umount2("/f", MNT_DETACH);
	return !lost;
}

int main(void)
{
	char with[200], without[200];
	int twin, lost;

	disk = mmap(0, sizeof(*disk), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	close(open("/f", O_RDWR | O_CREAT, 0600));
	twin = after_death(1, with), lost = after_death(0, without);
	printf("%s: the server is dead, and the file contains %d instead of 7; %s (if the server knew FUSE_FSYNC: %s)\n",
		lost ? "BROKEN" : "ok", disk->data[0], without, with);
	return lost || twin;
}
