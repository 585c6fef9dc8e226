// Expected: a memory failure is handled while a FUSE server does not answer, as it is before (the control). Reclaim
// takes care not to wait for such a server.
// Linux 7.3.4: soft_offline_page and memory_failure wait for the lock of a page that the server should fill in, and
// keep the lock of all memory failures. So a failure of a page of another process is not handled until the server
// answers. SIGKILL does not end the wait. Needs CONFIG_MEMORY_FAILURE, CONFIG_FUSE_FS and root. cc -static
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/fuse.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>
#define PAGES (1l << 20)

static volatile int *slow;

// A file system that is one file of zeros.
static void serve(int dev)
{
	static char text[1 << 20], out[1 << 17];
	struct fuse_in_header *in = (void *)text;
	struct fuse_out_header *head = (void *)out;
	void *reply = head + 1;

	while (read(dev, text, sizeof(text)) > 0) {
		int size = 0, error = 0;

		memset(out, 0, 8192);
		if (in->opcode == FUSE_INIT) {
			*(struct fuse_init_out *)reply = (struct fuse_init_out) { .major = 7, .minor = FUSE_KERNEL_MINOR_VERSION, .max_write = 65536 };
			size = sizeof(struct fuse_init_out);
		} else if (in->opcode == FUSE_GETATTR) {
			((struct fuse_attr_out *)reply)->attr = (struct fuse_attr) { .ino = 1, .size = 4096, .mode = 0100600, .nlink = 1, .blksize = 4096 };
			size = sizeof(struct fuse_attr_out);
		} else if (in->opcode == FUSE_OPEN) {
			size = sizeof(struct fuse_open_out);
		} else if (in->opcode == FUSE_READ) {
			while (*slow)
				usleep(10000);
			size = 4096;
		} else if (in->opcode != FUSE_RELEASE && in->opcode != FUSE_FLUSH) {
			error = -38;
		}
		*head = (struct fuse_out_header) { .len = sizeof(*head) + size, .error = error, .unique = in->unique };
		write(dev, out, head->len);
	}
}

static int ended(pid_t pid, int tenths)
{
	for (; tenths; tenths--, usleep(100000))
		if (waitpid(pid, 0, WNOHANG) == pid)
			return 1;
	return 0;
}

// A process that poisons a page of its own.
static pid_t poison(void)
{
	pid_t pid = fork();

	if (!pid) {
		char *p = mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

		*p = 1;
		madvise(p, 4096, 100 /* MADV_HWPOISON */);
		_exit(0);
	}
	return pid;
}

int main(void)
{
	static unsigned long flags[PAGES];
	char options[64], text[32], c;
	int fd, before, during, killed, after, found = 0, dev = open("/dev/fuse", O_RDWR), soft;
	pid_t server, reader, softener, pid;
	long n;

	slow = mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	*slow = 1;
	close(open("/f", O_RDWR | O_CREAT, 0600));
	sprintf(options, "fd=%d,rootmode=100000,user_id=0,group_id=0", dev);
	if (dev < 0 || mount("f", "/f", "fuse", 0, options))
		return perror("fuse"), 2;
	if (!(server = fork()))
		serve(dev), _exit(0);
	close(dev);	// so that the end of the server ends the file system
	before = ended(poison(), 30);
	fd = open("/f", O_RDONLY);
	if (!(reader = fork()))
		read(fd, &c, 1), _exit(0);
	sleep(1);
	// The page that the server should fill in is locked, and not up to date.
	n = pread(open("/proc/kpageflags", O_RDONLY), flags, sizeof(flags), 0) / 8;
	soft = open("/sys/devices/system/memory/soft_offline_page", O_WRONLY);
	for (long i = 0; i < n; i++)
		if ((flags[i] & (1 | 1 << 3 | 1 << 7 | 1 << 10 | 1 << 20)) == 1)
			sprintf(text, "0x%lx", i << 12), found++;
	if (found != 1 || soft < 0)
		return printf("cannot be run: %d pages are locked\n", found), 2;
	if (!(softener = fork()))
		write(soft, text, strlen(text)), _exit(0);
	sleep(1);
	pid = poison(), during = ended(pid, 200);
	kill(pid, SIGKILL), killed = during || ended(pid, 20);
	*slow = 0;
	after = (killed || ended(pid, 50)) && ended(softener, 50) && ended(reader, 50);
	kill(server, SIGKILL);
	if (!before || !after)
		return printf("cannot be run: %d %d\n", before, after), 2;
	if (during)
		return puts("ok"), 0;
	printf("BROKEN: while a FUSE server does not answer, and its page is softly offlined, MADV_HWPOISON of a page of another process does not end in 20 s; SIGKILL %s\n",
	       killed ? "ends it" : "does not end it");
	return 1;
}
