/* Mlocked of /proc/meminfo, after this CPU's pending counts are added. */
static long mlocked(void)
{
	char line[128] = "";
	long kb = mlock(line, 1) || munlock(line, 1) ? -1 : 0;
	FILE *refresh = fopen("/proc/sys/vm/stat_refresh", "r"), *meminfo = fopen("/proc/meminfo", "r");
	if (refresh && fgetc(refresh) == EOF)
		fclose(refresh);
	while (meminfo && fgets(line, sizeof(line), meminfo) && !sscanf(line, "Mlocked: %ld", &kb))
		;
	return kb;
}
