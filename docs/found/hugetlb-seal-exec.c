// Expected: F_SEAL_EXEC of MFD_NOEXEC_SEAL: "the memfd can't be modified to add X later"
// (Documentation/userspace-api/mfd_noexec.rst).
// Linux 7.3.4: a memfd of hugetlb can. Needs CONFIG_HUGETLBFS. cc -static
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>
#define NOEXEC_SEAL 8
#define SEAL_EXEC 0x20

int main(void)
{
	int huge = memfd_create("huge", MFD_HUGETLB | NOEXEC_SEAL), small = memfd_create("small", NOEXEC_SEAL);
	struct stat stat;

	if (!(fcntl(huge, F_GET_SEALS) & SEAL_EXEC) || !(fcntl(small, F_GET_SEALS) & SEAL_EXEC))
		return puts("cannot be run: no MFD_NOEXEC_SEAL"), 2;
	if (!fchmod(small, 0755) || (fchmod(huge, 0755) && !fstat(huge, &stat) && !(stat.st_mode & 0111)))
		return puts("ok"), 0;
	if (fstat(huge, &stat) || !(stat.st_mode & 0111) || !(fcntl(huge, F_GET_SEALS) & SEAL_EXEC))
		return 2;
	return puts("BROKEN: a memfd of hugetlb with F_SEAL_EXEC becomes executable; one of small pages does not"), 1;
}
