// Expected: hugetlb.2MB.max limits the huge pages of a cgroup, as it does for a fault: SIGBUS. Linux 7.3.4:
// UDMABUF_CREATE of a memfd allocates huge pages that no cgroup is charged for. Needs CONFIG_UDMABUF,
// CONFIG_CGROUP_HUGETLB and root (for cgroup2 and nr_hugepages). cc -static
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/udmabuf.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>
#define HUGE (2L << 20)
#define PAGES 4

static sigjmp_buf back;

static void bus(int number)
{
	siglongjmp(back, number);
}

static int set(char *path, char *text)
{
	return write(open(path, O_WRONLY), text, strlen(text)) < 0;
}

static int touch(char *p)	// how many huge pages can be written
{
	volatile int done = 0;
	if (!sigsetjmp(back, 1))
		for (; done < PAGES; done++)
			p[done * HUGE] = 1;
	return done;
}

static char *map(int file)
{
	char *p = mmap(0, PAGES * HUGE, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
	if (p == MAP_FAILED)
		perror("mmap"), _exit(2);
	return p;
}

int main(void)
{
	struct udmabuf_create all = { memfd_create("all", MFD_ALLOW_SEALING | MFD_HUGETLB), 0, 0, PAGES * HUGE };
	int minor = 0, device, buffer, memory, twin = memfd_create("twin", MFD_HUGETLB);
	FILE *misc = fopen("/proc/misc", "r");
	char current[32] = "";

	for (char line[99]; misc && fgets(line, 99, misc);)
		if (strstr(line, " udmabuf"))
			sscanf(line, "%d", &minor);
	mknod("/dev/udmabuf", S_IFCHR | 0600, makedev(10, minor));
	device = open("/dev/udmabuf", O_RDWR), signal(SIGBUS, bus);
	mkdir("/cg", 0755), mount("none", "/cg", "cgroup2", 0, 0), mkdir("/cg/a", 0755);
	if (set("/cg/cgroup.subtree_control", "+hugetlb") || set("/cg/a/hugetlb.2MB.max", "2M") ||
	    set("/cg/a/cgroup.procs", "0") || set("/proc/sys/vm/nr_hugepages", "16"))
		return perror("cgroup"), 2;
	if (ftruncate(twin, PAGES * HUGE) || ftruncate(all.memfd, PAGES * HUGE) || fcntl(all.memfd, F_ADD_SEALS, F_SEAL_SHRINK))
		return perror("memfd"), 2;
	twin = touch(map(twin));
	buffer = ioctl(device, UDMABUF_CREATE, &all);
	if (buffer < 0)
		return printf("ok: %m\n"), 0;
	touch(map(buffer)), close(buffer), memory = touch(map(all.memfd));
	pread(open("/cg/a/hugetlb.2MB.current", O_RDONLY), current, 31, 0);
	if (memory <= 1)
		return puts("ok"), 0;
	printf("BROKEN: a cgroup whose limit is 1 huge page has %d more in a memfd after UDMABUF_CREATE, and hugetlb.2MB.current is %ld; faults get %d\n", memory, atol(current), twin);
	return 1;
}
