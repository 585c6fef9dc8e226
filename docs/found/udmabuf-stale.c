// Expected: memory that fallocate has allocated is zero, also in a dma-buf of it, and read(2) sees
// what was written through the dma-buf.
// Linux 7.3.4: memfd_pin_folios, which udmabuf calls, takes pages of a memfd that were never cleared.
// The dma-buf shows what other processes have left there. What is written through the dma-buf is
// gone with the next read of the memfd, which clears the page. Needs CONFIG_UDMABUF. cc -static
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <linux/udmabuf.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>
#define SIZE (4L << 20)

static int left, kept;

static void try(int allocate)
{
	struct udmabuf_create all = { memfd_create("all", MFD_ALLOW_SEALING), 0, 0, SIZE };
	int device = open("/dev/udmabuf", O_RDWR), buffer;
	char *data, seen;

	if (ftruncate(all.memfd, SIZE) || fcntl(all.memfd, F_ADD_SEALS, F_SEAL_SHRINK) ||
	    (allocate && fallocate(all.memfd, 0, 0, SIZE)))
		perror("memfd"), _exit(2);
	buffer = ioctl(device, UDMABUF_CREATE, &all);
	data = mmap(0, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, buffer, 0);
	if (data == MAP_FAILED)
		perror("udmabuf"), _exit(2);
	left = kept = 0;
	for (long i = 0; i < SIZE; i++)
		left += data[i] == 7;
	for (long i = 0; i < SIZE; i += 4096)
		data[i] = 1, kept += pread(all.memfd, &seen, 1, i) == 1 && seen == 1;
}

int main(void)
{
	long most = sysconf(_SC_AVPHYS_PAGES) / 4 * 3 * 4096;
	int minor = 0, twin;
	FILE *misc = fopen("/proc/misc", "r");

	for (char line[99]; misc && fgets(line, 99, misc);)
		if (strstr(line, " udmabuf"))
			sscanf(line, "%d", &minor);
	mknod("/dev/udmabuf", S_IFCHR | 0600, makedev(10, minor));
	if (!fork())	// another process fills most of the memory with a secret, and exits
		_exit(!memset(mmap(0, most, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), 7, most));
	wait(0);
	try(0);
	twin = left + SIZE / 4096 - kept;
	try(1);
	if (!left && kept == SIZE / 4096)
		return puts("ok"), 0;
	printf("BROKEN: the dma-buf of a memfd shows %d bytes of another process after fallocate, and of %ld pages that are written through it, read sees %d; without fallocate, %d are wrong\n", left, SIZE / 4096, kept, twin);
	return 1;
}
