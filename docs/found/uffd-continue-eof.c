// Expected: an access to a page beyond the end of a file raises SIGBUS (mmap(2)); UFFDIO_CONTINUE does
// not map such a page.
// Linux 7.3.4: it maps a page of hugetlb that fallocate has allocated beyond the end. With small pages
// it fails. Needs hugetlb, CONFIG_USERFAULTFD and root (for nr_hugepages). cc -static
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

// Returns whether the page behind a file of one page can be read, or -1 if the test cannot run.
static int readable(int flags, long size)
{
	int uffd = syscall(SYS_userfaultfd, O_CLOEXEC), memory = memfd_create("memory", flags), status = 0;
	char *p = mmap(0, 2 * size, PROT_READ, MAP_SHARED | MAP_NORESERVE, memory, 0);
	struct uffdio_api api = { .api = UFFD_API };
	struct uffdio_register reg = { .range = { (uintptr_t)p, 2 * size }, .mode = UFFDIO_REGISTER_MODE_MINOR };
	struct uffdio_continue page = { .range = { (uintptr_t)p + size, size } };
	struct stat stat;

	if (ftruncate(memory, size) || fallocate(memory, FALLOC_FL_KEEP_SIZE, size, size))
		return perror("ftruncate, fallocate"), -1;
	if (ioctl(uffd, UFFDIO_API, &api) || ioctl(uffd, UFFDIO_REGISTER, &reg))
		return perror("userfaultfd"), -1;
	ioctl(uffd, UFFDIO_CONTINUE, &page);
	ioctl(uffd, UFFDIO_UNREGISTER, &reg.range);
	if (!vfork())
		_exit(((volatile char *)p)[size]);
	wait(&status);
	return fstat(memory, &stat) || stat.st_size != size ? -1 : !WIFSIGNALED(status);
}

int main(void)
{
	int pool = write(open("/proc/sys/vm/nr_hugepages", O_WRONLY), "4", 1);
	int small = readable(0, 4096), huge = readable(MFD_HUGETLB, 2 << 20);

	if (pool != 1 || small || huge < 0)
		return 2;
	puts(huge ? "BROKEN: UFFDIO_CONTINUE maps a huge page beyond the end of the file" : "ok");
	return huge;
}
