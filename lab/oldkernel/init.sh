#!/bin/busybox sh
# Process 1 of the emulated computer: mounts, modules, the suites, the end. What it prints goes to the serial console.
export PATH=/bin:/sbin:/usr/bin:/usr/sbin
/bin/busybox --install -s /bin 2>/dev/null # what is there already stays
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev
mkdir -p /dev/shm
mount -t tmpfs tmp /tmp
mount -t tmpfs run /run
while read -r module; do insmod "$module"; done </modules/order
ip link set lo up
echo "gatehouse: kernel $(uname -r), $(cut -d ' ' -f 1 /proc/uptime) s after its start"
/suites/run
echo "gatehouse: the end"
poweroff -f
