# shellcheck shell=bash
# Part of the scripts of deploy/dev, which source it after process.sh.
#
# Packages of Debian, installed when they are missing.
#
# shellcheck disable=SC2153 # EX_UNAVAILABLE is the script's

# Installs packages without starting or creating the services they bring along.
# Runs as root in a shell of its own, so it uses nothing else of this script.
install_packages() {
    local package
    created=() # not local: the trap runs after this function
    umask 022
    export DEBIAN_FRONTEND=noninteractive NEEDRESTART_SUSPEND=1

    # Two of these at a time would remove each other's files below.
    exec 8>/run/lock/jobalerts-dev-services.lock
    flock 8
    trap 'rm -f -- "${created[@]}"' EXIT
    trap 'exit 143' INT TERM HUP
    if [[ ! -e /usr/sbin/policy-rc.d ]]; then
        created+=(/usr/sbin/policy-rc.d)
        printf '#!/bin/sh\nexit 101\n' >/usr/sbin/policy-rc.d
        chmod 755 /usr/sbin/policy-rc.d
    fi
    if [[ " $* " == *' postgresql '* ]]; then
        local cluster_conf=/etc/postgresql-common/createcluster.d/jobalerts-dev.conf
        created+=("$cluster_conf")
        mkdir -p "${cluster_conf%/*}"
        printf 'create_main_cluster = false\n' >"$cluster_conf"
    fi

    local apt=(apt-get -y -q -o Dpkg::Use-Pty=0 -o DPkg::Lock::Timeout=300)
    for package in "$@"; do
        if ! apt-cache show "$package" >/dev/null 2>&1; then
            "${apt[@]}" update
            break
        fi
    done
    # A failed download mostly means that the package lists are out of date.
    "${apt[@]}" install --no-install-recommends "$@" ||
        { "${apt[@]}" update && "${apt[@]}" install --no-install-recommends "$@"; }
}

# install_missing PACKAGE...
install_missing() {
    local become_root=() log status=0
    if ! type -P apt-get >/dev/null; then
        die "$EX_UNAVAILABLE" "not installed: $*. There is no apt-get, so install this yourself" \
            '(PostgreSQL 14 or later, RabbitMQ 3.9 or later, Node 18 or later).'
    fi
    if ((EUID != 0)); then
        if ! type -P sudo >/dev/null || ! sudo -n true 2>/dev/null; then
            die "$EX_UNAVAILABLE" "not installed: $*. Run: sudo apt-get install $*"
        fi
        become_root=(sudo -n)
    fi
    say "installing $* with apt-get (may take some minutes)"
    log=$(mktemp)
    "${become_root[@]}" bash -c "$(declare -f install_packages); install_packages \"\$@\"" \
        bash "$@" </dev/null >"$log" 2>&1 || status=$?
    if ((status != 0)); then
        say "apt-get failed with status $status. The end of its output:"
        tail -n 25 "$log" | sed 's/^/    /' >&2
        rm -f -- "$log"
        die "$EX_UNAVAILABLE" "try it yourself: sudo apt-get install $*"
    fi
    rm -f -- "$log"
    if [[ -d /run/systemd/system ]]; then
        say "nothing was started, but services of $* may start when the machine boots;" \
            '"sudo systemctl disable ..." prevents that'
    fi
}
