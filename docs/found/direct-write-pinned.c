// Expected: process_vm_writev that returns 1 has written 1 byte (process_vm_writev(2)). The twin: the same
// while a direct write goes to another folio of the file. Linux 7.3.4: a direct write to another page of
// the same folio drops the folio that is pinned for writing, and what is written into it is lost. cc -static
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>
#define SIZE (128L << 10)

// Writes an empty file system of 16 MiB.
static int mkfs(const char *path)
{
	static unsigned b[4096 * 9 / 4];
	int fd = open(path, O_RDWR);

	memcpy(b + 256, (unsigned[]) { 128, 4096, 0, 4087, 117, 0, 2, 2, 32768, 32768, 128, 0, 0, 0, 0x1ef53, 1 }, 64);
	b[256 + 14] = 0x1ef53;
	b[256 + 19] = 1;
	b[256 + 21] = 11;
	b[256 + 22] = 128;
	b[256 + 24] = 0x42;
	memcpy(b + 1024, (unsigned[]) { 2, 3, 4, 4087 | 117 << 16, 1 }, 20);
	memset(b + 2048, 255, 8192);
	memset((char *)b + 8192 + 1, 0, 511);
	((char *)b)[8192 + 1] = 1;
	((char *)b)[12288 + 1] = 3;
	memset((char *)b + 12288 + 2, 0, 14);
	memcpy(b + 4096 + 32, (unsigned[]) { 040755, 4096, 0, 0, 0, 0, 2 << 16, 8, 0, 0, 8 }, 44);
	memcpy(b + 8192, "\2\0\0\0\14\0\1\2.\0\0\0\2\0\0\0\364\17\2\2..", 22);
	return pwrite(fd, b, sizeof(b), 0) == sizeof(b) && !close(fd);
}

static char *p, *slow;

static void *writer(void *unused)
{
	struct iovec from = { slow, 1 }, to = { p + SIZE / 4, 1 };

	return (void *)process_vm_writev(getpid(), &from, 1, &to, 1, 0);
}

// Writes 7 to the middle of the first folio, and, at the same time, to the page at `at` of the file.
static int written(int uffd, long at)
{
	static char text[SIZE] __attribute__((aligned(4096)));
	int fd = open("/m/file", O_RDWR | O_CREAT | O_TRUNC, 0600), dio = open("/m/file", O_RDWR | O_DIRECT), c;
	struct uffdio_register r = { .mode = UFFDIO_REGISTER_MODE_MISSING };
	struct uffdio_copy copy = { .src = (long)text, .len = 4096 };
	struct uffd_msg msg;
	pthread_t thread;
	void *got;

	memset(text, 1, SIZE);
	if (fd < 0 || dio < 0 || write(fd, text, SIZE / 2) != SIZE / 2 || write(fd, text, SIZE / 2) != SIZE / 2 || fsync(fd))
		return perror("/m/file"), -1;
	p = mmap(0, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	slow = mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	r.range = (struct uffdio_range) { (long)slow, 4096 };
	if (ioctl(uffd, UFFDIO_REGISTER, &r))
		return perror("UFFDIO_REGISTER"), -1;
	pthread_create(&thread, 0, writer, 0);
	// The page of the file is pinned now, and the writer waits for its source.
	if (read(uffd, &msg, sizeof(msg)) != sizeof(msg) || pwrite(dio, text, 4096, at) != 4096)
		return perror("direct write"), -1;
	memset(text, 7, 4096);
	copy.dst = (long)slow;
	if (ioctl(uffd, UFFDIO_COPY, &copy))
		return perror("UFFDIO_COPY"), -1;
	pthread_join(thread, &got);
	c = got == (void *)1 ? p[SIZE / 4] : -1;
	munmap(p, SIZE);
	munmap(slow, 4096);
	close(dio);
	close(fd);
	return c;
}

int main(void)
{
	FILE *size = fopen("/sys/block/zram0/disksize", "w");
	int uffd = syscall(SYS_userfaultfd, O_CLOEXEC), twin, c;

	if (!size || fprintf(size, "16M") < 0 || fclose(size) || !mkfs("/dev/zram0"))
		return perror("zram"), 2;
	mkdir("/m", 0700);
	if (mount("/dev/zram0", "/m", "ext4", 0, ""))
		return perror("ext4"), 2;
	if (ioctl(uffd, UFFDIO_API, &(struct uffdio_api) { .api = UFFD_API }))
		return perror("userfaultfd"), 2;
	twin = written(uffd, SIZE / 2);
	c = written(uffd, 0);
	if (twin != 7 || c < 0)
		return printf("with a write to another folio: %d\n", twin), 2;
	printf(c == 7 ? "ok\n" : "BROKEN: process_vm_writev has written 7, and there is %d: a direct write to another page has dropped it\n", c);
	return c != 7;
}
