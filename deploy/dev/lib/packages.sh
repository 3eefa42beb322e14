# shellcheck shell=bash
# Part of deploy/dev/services, which sources it and sets the variables in capitals.
#
# Where the programs of the servers are. They are installed when they are missing.
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
