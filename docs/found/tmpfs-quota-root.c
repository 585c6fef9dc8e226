// Expected: the quota limits of a tmpfs mount take effect "for any and all user/group/project except root"
// (Documentation/filesystems/tmpfs.rst). Linux 7.3.4: root gets the limits, too; another user cannot write to
// files of root once root has used more. Needs CONFIG_TMPFS_QUOTA and root. cc -static
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/quota.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

int main(void)
{
	static char data[65536];
	struct dqblk limits[2] = { { 0 } };
	int dir, fd[2], twin, found;

	mkdir("/mnt", 0755);
	if (mount("tmpfs", "/mnt", "tmpfs", 0, "usrquota,usrquota_block_hardlimit=1m,mode=777"))
		return perror("mount"), 2;
	fd[0] = open("/mnt/big", O_RDWR | O_CREAT, 0600);
	for (int i = 0; i < 32; i++) // 2 MB of root
		if (write(fd[0], data, sizeof data) != sizeof data)
			return perror("write of root"), 2;
	fd[1] = open("/mnt/log", O_RDWR | O_CREAT, 0666);
	dir = open("/mnt", O_RDONLY);
	if (syscall(SYS_quotactl_fd, dir, QCMD(Q_GETQUOTA, USRQUOTA), 0, limits))
		return perror("quotactl"), 2;
	if (setresgid(1000, 1000, 1000) || setresuid(1000, 1000, 1000))
		return 2;
	fd[0] = open("/mnt/own", O_RDWR | O_CREAT, 0600);
	twin = write(fd[0], data, 4096); // the file of a user who has used nothing
	found = write(fd[1], data, 4096); // the file of root
	if (twin != 4096)
		return perror("write"), 2;
	if (found == 4096 && !limits[0].dqb_bhardlimit)
		return puts("ok"), 0;
	perror("write to a file of root");
	printf("BROKEN: root has a hard limit of %lu kB, and a write of another user to a file of root gives %d\n", (long)limits[0].dqb_bhardlimit, found);
	return 1;
}
