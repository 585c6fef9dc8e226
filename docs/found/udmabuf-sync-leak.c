// Expected: what a dma-buf has allocated is freed when it is closed, as it is if one thread calls
// DMA_BUF_IOCTL_SYNC. Linux 7.3.4: if four threads call it at once, each allocates a table for the device,
// and all but one of the tables are lost for good. Needs CONFIG_UDMABUF. cc -static -pthread
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/dma-buf.h>
#include <linux/udmabuf.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>
#define PAGES 2048L
#define ITEMS 128

static struct { struct udmabuf_create_list head; struct udmabuf_create_item item[ITEMS]; } list = { { 0, ITEMS } };
static int device, buffer;
static pthread_barrier_t start;

static void *begin(void *x)
{
	pthread_barrier_wait(&start);
	return ioctl(buffer, DMA_BUF_IOCTL_SYNC, &(struct dma_buf_sync){ DMA_BUF_SYNC_START | DMA_BUF_SYNC_RW }), x;
}

static int available(void)	// MB
{
	static char text[8192];
	pread(open("/proc/meminfo", O_RDONLY), text, sizeof(text) - 1, 0);
	return atoi(strstr(text, "MemAvailable:") + 13) / 1024;
}

static int lost(int threads)
{
	int before = 0;
	for (int i = 0; i < 10; i++) {
		pthread_t id[4];
		if ((buffer = ioctl(device, UDMABUF_CREATE_LIST, &list)) < 0)
			perror("UDMABUF_CREATE_LIST"), _exit(2);
		pthread_barrier_init(&start, 0, threads);
		for (int k = 0; k < threads; k++)
			pthread_create(&id[k], 0, begin, 0);
		for (int k = 0; k < threads; k++)
			pthread_join(id[k], 0);
		close(buffer);
		before = i ? before : available();
	}
	return usleep(500000), before - available();
}

int main(void)
{
	int minor = 0, memfd = memfd_create("pages", MFD_ALLOW_SEALING), one, four;
	FILE *misc = fopen("/proc/misc", "r");

	for (char line[99]; misc && fgets(line, 99, misc);)
		if (strstr(line, " udmabuf"))
			sscanf(line, "%d", &minor);
	write(open("/sys/module/udmabuf/parameters/size_limit_mb", O_WRONLY), "2048", 4);	// 64 before 7.3
	mknod("/dev/udmabuf", S_IFCHR | 0600, makedev(10, minor));
	if ((device = open("/dev/udmabuf", O_RDWR)) < 0 || ftruncate(memfd, PAGES * 4096) || fcntl(memfd, F_ADD_SEALS, F_SEAL_SHRINK))
		return perror("udmabuf"), 2;
	for (long i = 0; i < PAGES * 2; i += 2)	// pages that are not beside each other
		pwrite(memfd, "x", 1, (i % PAGES + i / PAGES) * 4096);
	for (int i = 0; i < ITEMS; i++)
		list.item[i] = (struct udmabuf_create_item){ memfd, 0, 0, PAGES * 4096 };
	one = lost(1), four = lost(4);
	printf(four - one > 40 ? "BROKEN: %d MB of memory are lost after 10 dma-bufs that 4 threads begin to use; 1 thread: %d MB\n" : "ok\n", four, one);
	return four - one > 40;
}
