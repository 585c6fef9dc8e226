// Expected: UDMABUF_CREATE_LIST fails before the references of a page overflow, without a WARNING. Linux
// 7.3.4: one page can be pinned until its references are below 0; then the kernel warns. Each pin of a
// small page counts as 1024 references. Needs CONFIG_UDMABUF. cc -static
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/udmabuf.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>
#define ITEMS 1024

static struct { struct udmabuf_create_list head; struct udmabuf_create_item item[ITEMS]; } list = { { 0, ITEMS } };

static int warned(void)
{
	static int log = -1;
	static char line[8192];
	int seen = 0;

	if (log < 0)
		log = open("/dev/kmsg", O_RDONLY | O_NONBLOCK);
	for (long n; (n = read(log, line, sizeof(line) - 1)) > 0 || n < -1;)
		line[n] = 0, seen |= !!strstr(line, "WARNING");
	return seen;
}

int main(void)
{
	int minor = 0, memfd = memfd_create("page", MFD_ALLOW_SEALING), device, buffers = 0;
	FILE *misc = fopen("/proc/misc", "r");

	for (char line[99]; misc && fgets(line, 99, misc);)
		if (strstr(line, " udmabuf"))
			sscanf(line, "%d", &minor);
	mknod("/dev/udmabuf", S_IFCHR | 0600, makedev(10, minor));
	device = open("/dev/udmabuf", O_RDWR);
	if (device < 0 || ftruncate(memfd, 4096) || fcntl(memfd, F_ADD_SEALS, F_SEAL_SHRINK) ||
	    setrlimit(RLIMIT_NOFILE, &(struct rlimit){ 4096, 4096 }))
		return perror("udmabuf"), 2;
	for (int i = 0; i < ITEMS; i++)
		list.item[i] = (struct udmabuf_create_item){ memfd, 0, 0, 4096 };
	warned();
	while (ioctl(device, UDMABUF_CREATE_LIST, &list) >= 0)
		buffers++;
	int why = errno;
	if (!warned())
		return printf("ok (%d dma-bufs, %s)\n", buffers, strerror(why)), 0;
	printf("BROKEN: the kernel warns when %d dma-bufs have pinned the same page %d times (%s)\n", buffers, buffers * ITEMS, strerror(why));
	return 1;
}
