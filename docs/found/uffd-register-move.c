// Expected: UFFDIO_REGISTER returns "which ioctl(2) operations are available for the specified range"
// (UFFDIO_REGISTER(2const)).
// Linux 7.3.4: it names UFFDIO_MOVE for shared memory, where UFFDIO_MOVE always fails. Needs
// CONFIG_USERFAULTFD. cc -static
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

struct move { uint64_t dst, src, len, mode; int64_t move; };
#define UFFDIO_MOVE_ _IOWR(UFFDIO, 5, struct move)

// Returns 1 if UFFDIO_MOVE works as announced, 0 if it is announced and fails, -1 if it is not announced.
static int moves(int flags)
{
	int uffd = syscall(SYS_userfaultfd, O_CLOEXEC);
	char *from = mmap(0, 4096, PROT_READ | PROT_WRITE, flags | MAP_ANONYMOUS, -1, 0);
	char *to = mmap(0, 4096, PROT_READ | PROT_WRITE, flags | MAP_ANONYMOUS, -1, 0);
	struct uffdio_api api = { .api = UFFD_API };
	struct uffdio_register reg = { .range = { (uintptr_t)to, 4096 }, .mode = UFFDIO_REGISTER_MODE_MISSING };
	struct move move = { (uintptr_t)to, (uintptr_t)from, 4096, 0, 0 };

	*from = 7;
	if (ioctl(uffd, UFFDIO_API, &api) || ioctl(uffd, UFFDIO_REGISTER, &reg) || !(reg.ioctls >> 5 & 1))
		return -1;
	return !ioctl(uffd, UFFDIO_MOVE_, &move);
}

int main(void)
{
	int private = moves(MAP_PRIVATE), shared = moves(MAP_SHARED);

	if (private != 1)
		return perror("UFFDIO_MOVE of private memory"), 2;
	puts(shared ? "ok" : "BROKEN: UFFDIO_REGISTER says that UFFDIO_MOVE works in shared memory, and it fails with EINVAL");
	return !shared;
}
