// Expected: what was written to a dma-buf of a memfd is in the memfd, as what was written to a mapping of
// the memfd is. Linux 7.3.4: udmabuf does not make the pages dirty. Once the dma-buf is closed, reclaim
// drops them, and the memfd has zeros. Needs CONFIG_UDMABUF. cc -static
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/udmabuf.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>
#define PAGES 256L
#define SIZE (PAGES * 4096)

static int device;

static int lost(int through_buffer)
{
	struct udmabuf_create all = { memfd_create("all", MFD_ALLOW_SEALING), 0, 0, SIZE };
	int buffer, wrong = 0;
	char *data, *memory, byte;

	if (ftruncate(all.memfd, SIZE) || fcntl(all.memfd, F_ADD_SEALS, F_SEAL_SHRINK) ||
	    (buffer = ioctl(device, UDMABUF_CREATE, &all)) < 0)
		perror("UDMABUF_CREATE"), _exit(2);
	memory = mmap(0, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, all.memfd, 0);
	data = mmap(0, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, through_buffer ? buffer : all.memfd, 0);
	if (data == MAP_FAILED || memory == MAP_FAILED)
		perror("mmap"), _exit(2);
	memset(data, 'x', SIZE);
	munmap(data, SIZE), close(buffer);
	for (long i = 0; i < SIZE; i += 4096)
		wrong += memory[i] != 'x';
	if (wrong)
		printf("%d pages are wrong at once\n", wrong), _exit(2);
	if (madvise(memory, SIZE, MADV_PAGEOUT))
		perror("MADV_PAGEOUT"), _exit(2);
	for (long i = 0; i < SIZE; i += 4096)
		wrong += pread(all.memfd, &byte, 1, i) != 1 || byte != 'x';
	return wrong;
}

int main(void)
{
	int minor = 0, twin, bad;
	FILE *misc = fopen("/proc/misc", "r");

	for (char line[99]; misc && fgets(line, 99, misc);)
		if (strstr(line, " udmabuf"))
			sscanf(line, "%d", &minor);
	mknod("/dev/udmabuf", S_IFCHR | 0600, makedev(10, minor));
	device = open("/dev/udmabuf", O_RDWR);
	twin = lost(0), bad = lost(1);
	if (!bad)
		return puts("ok"), 0;
	printf("BROKEN: reclaim loses %d of %ld pages that were written through a dma-buf; through a mapping of the memfd: %d\n", bad, PAGES, twin);
	return 1;
}
