// Expected: who has a memfd open only for reading cannot write to it, as with mmap.
// Linux 7.3.4: UDMABUF_CREATE takes a file that is open only for reading, and gives a dma-buf
// through which the memfd can be written to. Needs CONFIG_UDMABUF. cc -static
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

int main(void)
{
	int file = memfd_create("file", MFD_ALLOW_SEALING), device, minor = 0, status;
	FILE *misc = fopen("/proc/misc", "r");
	char path[32], seen = 0;

	for (char line[99]; misc && fgets(line, 99, misc);)
		if (strstr(line, " udmabuf"))
			sscanf(line, "%d", &minor);
	mknod("/dev/udmabuf", S_IFCHR | 0600, makedev(10, minor));
	if ((device = open("/dev/udmabuf", O_RDWR)) < 0 || fchmod(file, 0444) || ftruncate(file, 4096) ||
	    fcntl(file, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW) || write(file, "a", 1) != 1)
		return perror("udmabuf"), 2;
	sprintf(path, "/proc/self/fd/%d", file);
	if (!fork()) {	// somebody else gets the file for reading
		struct udmabuf_create all = { open(path, O_RDONLY), 0, 0, 4096 };
		char *data;

		close(file);
		if (setgid(65534) || setuid(65534))
			_exit(2);
		if (write(all.memfd, "b", 1) == 1 ||
		    mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, all.memfd, 0) != MAP_FAILED)
			_exit(2);
		data = mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, ioctl(device, UDMABUF_CREATE, &all), 0);
		if (data == MAP_FAILED)
			_exit(1);
		_exit(!(*data = 'c'));
	}
	wait(&status);
	if (WEXITSTATUS(status) == 2)
		return perror("reader"), 2;
	pread(file, &seen, 1, 0);
	if (seen == 'a')
		return puts("ok"), 0;
	printf("BROKEN: a reader of a memfd, whom write and mmap refuse, has changed '%c' to '%c' through udmabuf\n", 'a', seen);
	return 1;
}
