// Expected: a poisoned page of a memfd cannot be accessed: read(2) fails with EIO, a mapping raises SIGBUS.
// Linux 7.3.4: UDMABUF_CREATE takes a poisoned page, and the dma-buf shows it. Needs CONFIG_UDMABUF,
// CONFIG_MEMORY_FAILURE and root. cc -static
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/udmabuf.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

static sigjmp_buf back;

static void bus(int number)
{
	siglongjmp(back, number);
}

static int access_page(char *p)
{
	int number = sigsetjmp(back, 1);
	return number ? number : (*(volatile char *)p += 1, 0);
}

int main(void)
{
	struct udmabuf_create page = { memfd_create("page", MFD_ALLOW_SEALING), 0, 0, 4096 };
	int minor = 0, device, buffer, killed, twin;
	FILE *misc = fopen("/proc/misc", "r");
	char *memory, *data, byte;

	for (char line[99]; misc && fgets(line, 99, misc);)
		if (strstr(line, " udmabuf"))
			sscanf(line, "%d", &minor);
	mknod("/dev/udmabuf", S_IFCHR | 0600, makedev(10, minor));
	device = open("/dev/udmabuf", O_RDWR), signal(SIGBUS, bus);
	if (ftruncate(page.memfd, 4096) || fcntl(page.memfd, F_ADD_SEALS, F_SEAL_SHRINK))
		return perror("memfd"), 2;
	memory = mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, page.memfd, 0);
	*memory = 'a';
	if (!sigsetjmp(back, 1) && madvise(memory, 4096, MADV_HWPOISON))
		return perror("MADV_HWPOISON"), 2;
	twin = access_page(memory);
	int got = pread(page.memfd, &byte, 1, 0), why = errno;
	buffer = ioctl(device, UDMABUF_CREATE, &page);
	if (buffer < 0)
		return printf("ok\n"), 0;
	data = mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, buffer, 0);
	killed = access_page(data);
	if (killed)
		return puts("ok"), 0;
	printf("BROKEN: a dma-buf reads and writes a poisoned page (%c); a mapping of the memfd: %s, read: %s\n", *data, strsignal(twin), got < 0 ? strerror(why) : "succeeds");
	return 1;
}
