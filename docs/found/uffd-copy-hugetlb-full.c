// Expected: UFFDIO_COPY says ENOMEM if no page can be allocated, and EEXIST if a page is mapped.
// Linux 7.3.4: into hugetlb without a free huge page, it says EEXIST. A handler takes that for
// success, and the thread faults again and again. Needs CONFIG_HUGETLBFS, CONFIG_USERFAULTFD and no
// free huge page. cc -static
#include <errno.h>
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>
#define SIZE (2ul << 20)

int main(void)
{
	int uffd = syscall(SYS_userfaultfd, O_CLOEXEC);
	char *from = mmap(0, SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	char *p = mmap(0, SIZE, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB | MAP_NORESERVE, -1, 0);
	struct uffdio_api api = { .api = UFFD_API };
	struct uffdio_register reg = { .range = { (uintptr_t)p, SIZE }, .mode = UFFDIO_REGISTER_MODE_MISSING };
	struct uffdio_copy copy = { .dst = (uintptr_t)p, .src = (uintptr_t)from, .len = SIZE };

	if (p == MAP_FAILED || ioctl(uffd, UFFDIO_API, &api) || ioctl(uffd, UFFDIO_REGISTER, &reg))
		return perror("hugetlb or userfaultfd"), 2;
	memset(from, 1, SIZE);
	if (!ioctl(uffd, UFFDIO_COPY, &copy))
		return puts("cannot be run: there is a free huge page"), 2;
	if (copy.copy != -EEXIST)
		return puts("ok"), 0;
	puts("BROKEN: nothing is mapped there, and UFFDIO_COPY says EEXIST");
	return 1;
}
