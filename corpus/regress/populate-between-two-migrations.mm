# populate waits for a held migration, takes the page back from the device, and frees its frame.
# Then it waits for the next held migration, which takes this frame. The judge's agent sometimes let
# the next migration go on before populate had freed the frame. Found by linux-fuzz on Linux 7.3.4.
mmap p0 0 4 rw
populate p0 0 4 w
setup p0 0 1 d0 to-dev
setup p0 2 2 d0 to-dev
populate p0 0 3 w
read p0 1
