// Expected: F_SEAL_EXEC keeps the execute bits of a memfd as they are.
// Linux 7.3.4: an access ACL that is set as an extended attribute changes them, and the file can be
// executed. Needs CONFIG_TMPFS_POSIX_ACL, and no privilege. cc -static
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>
#ifndef MFD_NOEXEC_SEAL
#define MFD_NOEXEC_SEAL 8
#endif
#ifndef F_SEAL_EXEC
#define F_SEAL_EXEC 0x20
#endif

int main(int argc, char **argv)
{
	struct {
		unsigned version;
		struct { unsigned short tag, perm; unsigned id; } entry[3];
	} acl = { 2, { { 1, 7, -1 }, { 4, 5, -1 }, { 32, 5, -1 } } };	// user::rwx, group::r-x, other::r-x
	int file = memfd_create("file", MFD_NOEXEC_SEAL), self = open("/proc/self/exe", O_RDONLY), mode, status = 1;
	struct stat stat, program;

	if (argv[0][0] == '!')
		return 42;
	if (file < 0 || fstat(self, &program) || sendfile(file, self, NULL, program.st_size) != program.st_size)
		return perror("memfd_create"), 2;
	if (!(fcntl(file, F_GET_SEALS) & F_SEAL_EXEC) || fchmod(file, 0755) == 0)
		return puts("cannot be run: no F_SEAL_EXEC"), 2;
	if (fsetxattr(file, "system.posix_acl_access", &acl, sizeof(acl), 0) && errno == EOPNOTSUPP)
		return puts("cannot be run: no access ACLs in tmpfs"), 2;
	fstat(file, &stat);
	mode = stat.st_mode & 0777;
	if (!vfork()) {
		fexecve(file, (char *[]){ "!", NULL }, (char *[]){ NULL });
		_exit(1);
	}
	wait(&status);
	if (mode == 0666 && status)
		return puts("ok"), 0;
	printf("BROKEN: a memfd with F_SEAL_EXEC has mode %o, and execve of it %s\n", mode, WEXITSTATUS(status) == 42 ? "works" : "fails");
	return 1;
}
