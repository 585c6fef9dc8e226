// Expected: a memfd that was made with MFD_NOEXEC_SEAL cannot be made executable
// (Documentation/userspace-api/mfd_noexec.rst).
// Linux 7.3.4: fchmod makes it executable if it is a file of hugetlb, although F_GET_SEALS shows
// F_SEAL_EXEC. Needs hugetlb. cc -static
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>

#define NOEXEC_SEAL 8 // MFD_NOEXEC_SEAL
#define SEAL_EXEC 32 // F_SEAL_EXEC

// Returns whether fchmod makes a sealed memfd executable, or -1 if the test cannot run.
static int executable(int flags)
{
	struct stat stat;
	int memory = memfd_create("memory", NOEXEC_SEAL | flags);

	if (memory < 0 || !(fcntl(memory, F_GET_SEALS) & SEAL_EXEC))
		return perror("memfd_create, F_GET_SEALS"), -1;
	fchmod(memory, 0777);
	fstat(memory, &stat);
	return !!(stat.st_mode & 0111);
}

int main(void)
{
	int small = executable(0), huge = executable(MFD_HUGETLB);

	if (small || huge < 0)
		return 2;
	puts(huge ? "BROKEN: fchmod makes a memfd of hugetlb executable in spite of F_SEAL_EXEC" : "ok");
	return huge;
}
