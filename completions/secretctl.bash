# Completion of secretctl for bash. Names of entries are not completed: to know them the vault must be unlocked.

_secretctl()
{
        local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD-1]} command='' i
        local commands='add get list show rename remove generate inspect audit help'
        local unlocking='--vault --key-file --passphrase-fd --askpass --accept-rollback --help'
        local shape='--characters --no-symbols'
        local options=''

        COMPREPLY=()
        case $before in
        --vault | --key-file)
                compopt -o filenames 2>/dev/null
                mapfile -t COMPREPLY < <(compgen -f -- "$word")
                return
                ;;
        --askpass)
                mapfile -t COMPREPLY < <(compgen -c -- "$word")
                return
                ;;
        --passphrase-fd | --secret-fd | --canary-fd | --length | --characters | --user | --url | --tags)
                return
                ;;
        esac
        for ((i = 1; i < COMP_CWORD; i++)); do
                case ${COMP_WORDS[i]} in
                --vault | --key-file | --askpass | --passphrase-fd | --secret-fd | --canary-fd | --length | --characters | --user | --url | --tags) ((i++)) ;;
                -*) ;;
                *) command=${COMP_WORDS[i]} && break ;;
                esac
        done
        case $command in
        '') options="$commands --help --version" ;;
        add) options="$unlocking $shape --secret-fd --generate --user --url --tags" ;;
        get | rename) options=$unlocking ;;
        list | show) options="$unlocking --json" ;;
        remove) options="$unlocking --yes" ;;
        generate) options="$shape --length --help" ;;
        inspect)
                options='--json --help'
                [[ $word == -* ]] || options=$(cd /proc && echo [0-9]*)
                ;;
        audit)
                options='--canary-fd --json --help'
                if [[ $word != -* ]]; then
                        compopt -o filenames 2>/dev/null
                        mapfile -t COMPREPLY < <(compgen -W "$(cd /proc && echo [0-9]*)" -- "$word"; compgen -f -- "$word")
                        return
                fi
                ;;
        help) options="$commands exit-codes" ;;
        esac
        mapfile -t COMPREPLY < <(compgen -W "$options" -- "$word")
}

complete -F _secretctl secretctl
