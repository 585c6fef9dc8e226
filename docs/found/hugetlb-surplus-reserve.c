// Expected: the huge page that mmap has reserved is there when the process needs it, also after
// MADV_DONTNEED: the kernel restores the reservation, as others could take the page otherwise.
// Linux 7.3.4: it does not if somebody has a surplus page. Then a third process can take the page, and the
// next access raises SIGBUS. Needs hugetlb and root (for nr_hugepages). cc -static
#define _GNU_SOURCE
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>
#define HUGE (2L << 20)

static int set(const char *path, const char *value)
{
	return write(open(path, O_WRONLY), value, 1) == 1 ? 0 : -1;
}

static char *map(void)
{
	return mmap(0, HUGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB, -1, 0);
}

// Returns 1 if an access after MADV_DONTNEED raises SIGBUS, 0 if not, -1 if the test cannot run.
// The pool has 1 page. "surplus" is how many more pages the kernel may allocate.
static int lost(const char *surplus)
{
	char *mine, *second, *third;
	int status;

	if (set("/proc/sys/vm/nr_hugepages", "1") || set("/proc/sys/vm/nr_overcommit_hugepages", surplus) || (mine = map()) == MAP_FAILED)
		return perror("nr_hugepages, mmap"), -1;
	*mine = 1;
	second = map(); // the surplus page
	madvise(mine, HUGE, MADV_DONTNEED);
	third = map();
	if (!vfork())
		_exit(*mine = 0);
	wait(&status);
	munmap(mine, HUGE);
	munmap(second, second == MAP_FAILED ? 0 : HUGE);
	munmap(third, third == MAP_FAILED ? 0 : HUGE);
	return WIFSIGNALED(status) && WTERMSIG(status) == SIGBUS;
}

int main(void)
{
	int without = lost("0"), with = lost("1");

	if (without || with < 0)
		return 2;
	puts(with ? "BROKEN: a reserved huge page is gone after MADV_DONTNEED if there is a surplus page: the access raises SIGBUS" : "ok");
	return with;
}
