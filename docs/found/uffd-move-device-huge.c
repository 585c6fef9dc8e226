// UFFDIO_MOVE onto a huge page that is on a device never returns. Onto a huge page in system memory
// it fails with EEXIST. Needs CONFIG_TEST_HMM, CONFIG_TRANSPARENT_HUGEPAGE, CONFIG_USERFAULTFD and
// root. cc -static
#include <errno.h>
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define HUGE (2UL << 20)
#define MOVE (1 << 16)
struct hmm_dmirror_cmd { uint64_t addr, ptr, npages, cpages, faults; };
#define MIGRATE_TO_DEV _IOWR('H', 0x02, struct hmm_dmirror_cmd)
struct move { uint64_t to, from, len, mode; int64_t moved; };
#define UFFDIO_MOVE_ _IOWR(UFFDIO, 0x05, struct move)
static char mirror[HUGE];

// Returns 0 if the move fails with EEXIST, 1 if it ends otherwise, 2 if it cannot be tried.
static int move(void)
{
	int uffd = syscall(SYS_userfaultfd, O_CLOEXEC), dev = open("/dev/hmm_dmirror0", O_RDWR);
	char *p = mmap(0, 3 * HUGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), *small = p;
	p = (char *)(((uintptr_t)p + 2 * HUGE) & ~(HUGE - 1));
	struct hmm_dmirror_cmd cmd = { .addr = (uintptr_t)p, .ptr = (uintptr_t)mirror, .npages = HUGE / 4096 };
	struct uffdio_api api = { .api = UFFD_API, .features = MOVE };
	struct uffdio_register reg = { .range = { (uintptr_t)p, HUGE }, .mode = UFFDIO_REGISTER_MODE_MISSING };
	struct move move = { .to = (uintptr_t)p, .from = (uintptr_t)small, .len = 4096 };

	madvise(p, HUGE, MADV_HUGEPAGE);
	*small = *p = 1;
	if (ioctl(uffd, UFFDIO_API, &api) || ioctl(uffd, UFFDIO_REGISTER, &reg) || ioctl(dev, MIGRATE_TO_DEV, &cmd))
		return puts("cannot be run: no UFFDIO_MOVE, or no huge device pages"), fflush(stdout), 2;
	return ioctl(uffd, UFFDIO_MOVE_, &move) && errno == EEXIST ? 0 : 1;
}

int main(void)
{
	int status;
	pid_t child = fork();

	if (!child)
		_exit(move());
	for (int i = 0; i < 50 && !waitpid(child, &status, WNOHANG); i++)
		usleep(100000);
	if (!kill(child, 0) && !waitpid(child, &status, WNOHANG)) {
		printf("BROKEN: UFFDIO_MOVE onto a huge page on a device runs for 5 s and does not return\n");
		kill(child, SIGKILL);
		return 1;
	}
	if (WEXITSTATUS(status) < 2)
		printf(WEXITSTATUS(status) ? "BROKEN: UFFDIO_MOVE onto a page does not say EEXIST\n" : "ok\n");
	return WEXITSTATUS(status);
}
