// Expected: UDMABUF_CREATE of a size that is too great fails, without a WARNING; as it does for 1 GiB
// with a memfd of 4 kB. Linux 7.3.4: it warns for 2 TiB. size_limit_mb no longer limits the size by
// default, and kvmalloc warns if an array is greater than INT_MAX. Needs CONFIG_UDMABUF. cc -static
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/udmabuf.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

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
	struct udmabuf_create create = { memfd_create("small", MFD_ALLOW_SEALING), 0, 0, 1L << 30 };
	int minor = 0, device, twin, bad, why;
	FILE *misc = fopen("/proc/misc", "r");

	for (char line[99]; misc && fgets(line, 99, misc);)
		if (strstr(line, " udmabuf"))
			sscanf(line, "%d", &minor);
	mknod("/dev/udmabuf", S_IFCHR | 0600, makedev(10, minor));
	chmod("/dev/udmabuf", 0666), chmod("/dev", 0755);
	device = open("/dev/udmabuf", O_RDWR);
	if (device < 0 || ftruncate(create.memfd, 4096) || fcntl(create.memfd, F_ADD_SEALS, F_SEAL_SHRINK))
		return perror("udmabuf"), 2;
	warned();
	if (ioctl(device, UDMABUF_CREATE, &create) >= 0)
		return puts("1 GiB of a memfd of 4 kB"), 2;
	twin = warned(), create.size = 1UL << 41;
	ioctl(device, UDMABUF_CREATE, &create), why = errno;
	bad = warned();
	if (!bad)
		return puts("ok"), 0;
	printf("BROKEN: UDMABUF_CREATE of 2 TiB (%s) makes the kernel warn; of 1 GiB: %d\n", strerror(why), twin);
	return 1;
}
