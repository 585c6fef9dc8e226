# hmm-release-callback (mm/hmm: HMM should have a callback before MM is destroyed (4.17)): the
# device mirror is not told that its address space dies.
# The process exits at the end of the program, and the device still maps its page.
mmap p0 0 1 r
dev-read d0 p0 0
