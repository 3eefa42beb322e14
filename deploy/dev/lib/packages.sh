# shellcheck shell=bash
# Part of deploy/dev/services, which sources it and sets the variables in capitals.
#
# Where the programs are, and how they are installed when they are missing.
#
# Functions that are called by a composed name look unreachable to shellcheck.
# shellcheck disable=SC2317

# Prints the directory of the PostgreSQL server binaries: the one in PATH, else
# the newest of Debian's, which are not in PATH.
postgres_bin() {
    local candidates directory
    mapfile -t candidates < <(
        type -P postgres | xargs -r dirname || true
        printf '%s\n' /usr/lib/postgresql/*/bin | sort -rV
    )
    for directory in "${candidates[@]}"; do
        if [[ -x $directory/postgres && -x $directory/initdb ]]; then
            printf '%s\n' "$directory"
            return 0
        fi
    done
    return 1
}

# Prints the directory of RabbitMQ's own scripts. What Debian has in PATH is a
# wrapper next to them that insists on the system's user, paths and log.
rabbitmq_bin() {
    local found directory
    found=$(PATH=$PATH:/usr/sbin type -P rabbitmq-server) || found=''
    for directory in /usr/lib/rabbitmq/bin "$(dirname -- "$(readlink -f -- "$found")")"; do
        if [[ -x $directory/rabbitmq-server && -f $directory/rabbitmq-env ]]; then
            printf '%s\n' "$directory"
            return 0
        fi
    done
    return 1
}

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
    local cluster_conf=/etc/postgresql-common/createcluster.d/jobalerts-dev.conf
    created+=("$cluster_conf")
    mkdir -p "${cluster_conf%/*}"
    printf 'create_main_cluster = false\n' >"$cluster_conf"

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
        die "$EX_UNAVAILABLE" "not installed: $*. Without apt-get, install" \
            'PostgreSQL (14 or later) and RabbitMQ (3.9 or later) yourself.'
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
        say 'the packages start nothing now, but their services (postgresql,' \
            'rabbitmq-server, epmd) may start when the machine boots;' \
            '"sudo systemctl disable ..." prevents that'
    fi
}

# ensure_installed [postgresql] [rabbitmq-server]
ensure_installed() {
    local package missing=()
    for package in "$@"; do
        case $package in
            postgresql) postgres_bin >/dev/null || missing+=("$package") ;;
            rabbitmq-server) rabbitmq_bin >/dev/null || missing+=("$package") ;;
        esac
    done
    if ((${#missing[@]})); then
        install_missing "${missing[@]}"
    fi
    if ((EUID == 0)) && [[ " $* " == *' postgresql '* ]] && ! id postgres >/dev/null 2>&1; then
        die "$EX_UNAVAILABLE" 'PostgreSQL does not run as root, and there is no user' \
            'postgres to run it as. Run this script as an ordinary user.'
    fi
}
