// Expected: mbind of a mapping of a memfd decides the node of its pages, also of those that UDMABUF_CREATE
// allocates; it does for small pages. Linux 7.3.4: huge pages of hugetlb come from the node of the CPU.
// Needs CONFIG_UDMABUF, two NUMA nodes, hugetlb and root (for nr_hugepages). cc -static
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/udmabuf.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>
#define PAGES 4

static int device;

static int wrong(int flags, long page, int with)
{
	struct udmabuf_create all = { memfd_create("all", MFD_ALLOW_SEALING | flags), 0, 0, PAGES * page };
	int bad = 0, status;
	unsigned long node1 = 2;
	char *p;

	if (ftruncate(all.memfd, PAGES * page) || fcntl(all.memfd, F_ADD_SEALS, F_SEAL_SHRINK))
		perror("memfd"), _exit(2);
	p = mmap(0, PAGES * page, PROT_READ | PROT_WRITE, MAP_SHARED, all.memfd, 0);
	if (p == MAP_FAILED || syscall(SYS_mbind, p, PAGES * page, 2 /* MPOL_BIND */, &node1, 64, 0))
		perror("mbind"), _exit(2);
	if (with && ioctl(device, UDMABUF_CREATE, &all) < 0)
		perror("UDMABUF_CREATE"), _exit(2);
	for (void *at = p; (char *)at < p + PAGES * page; at = (char *)at + page) {
		*(char *)at = 1;
		if (syscall(SYS_move_pages, 0, 1L, &at, 0, &status, 0))
			perror("move_pages"), _exit(2);
		bad += status != 1;
	}
	return bad;
}

int main(void)
{
	int minor = 0;
	FILE *misc = fopen("/proc/misc", "r");

	for (char line[99]; misc && fgets(line, 99, misc);)
		if (strstr(line, " udmabuf"))
			sscanf(line, "%d", &minor);
	mknod("/dev/udmabuf", S_IFCHR | 0600, makedev(10, minor));
	device = open("/dev/udmabuf", O_RDWR);
	write(open("/proc/sys/vm/nr_hugepages", O_WRONLY), "32", 2);
	int small = wrong(0, 4096, 1), fault = wrong(MFD_HUGETLB, 2 << 20, 0), huge = wrong(MFD_HUGETLB, 2 << 20, 1);
	if (!huge)
		return puts("ok"), 0;
	printf("BROKEN: %d of %d huge pages that UDMABUF_CREATE allocates are not on the node of mbind; small pages: %d; huge pages of faults: %d\n", huge, PAGES, small, fault);
	return 1;
}
