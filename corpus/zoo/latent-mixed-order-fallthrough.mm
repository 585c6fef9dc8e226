# latent-mixed-order-fallthrough (latent in 7.1.3): a destination takes over identity and charge although its migration is refused.
mmap p0 0 3 rw
migrate p0 2 1 d0
read p0 2
setup p0 0 3 d0 to-dev
hold p0 2
