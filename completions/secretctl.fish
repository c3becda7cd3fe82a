# Completion of secretctl for fish. Names of entries are not completed: to know them the vault must be unlocked.

set -l commands add get list show rename remove generate inspect audit help
set -l none "not __fish_seen_subcommand_from $commands"
set -l unlocks "__fish_seen_subcommand_from add get list show rename remove"

complete -c secretctl -f
complete -c secretctl -n $none -a add -d 'store a new secret; the first one makes the vault'
complete -c secretctl -n $none -a get -d 'write a secret to standard output'
complete -c secretctl -n $none -a list -d 'list the names of all entries'
complete -c secretctl -n $none -a show -d 'show user, URL, tags and times of an entry, not its secret'
complete -c secretctl -n $none -a rename -d 'give an entry another name'
complete -c secretctl -n $none -a remove -d 'remove an entry'
complete -c secretctl -n $none -a generate -d 'write a random password to standard output'
complete -c secretctl -n $none -a inspect -d 'draw the memory of a process'
complete -c secretctl -n $none -a audit -d 'count copies of a canary in a process or a core file'
complete -c secretctl -n $none -a help -d 'explain the commands, one command, or the exit codes'
complete -c secretctl -n $none -l version -d 'tell the version'
complete -c secretctl -s h -l help -d 'explain, and do nothing'

complete -c secretctl -n $unlocks -l vault -r -F -d 'use this vault file'
complete -c secretctl -n $unlocks -l key-file -r -F -d 'unlock with the contents of a file'
complete -c secretctl -n $unlocks -l passphrase-fd -x -d 'read the passphrase from a descriptor'
complete -c secretctl -n $unlocks -l askpass -x -a '(__fish_complete_command)' -d 'ask for the passphrase by a program'
complete -c secretctl -n $unlocks -l accept-rollback -d 'accept an older vault, after restoring a backup'

complete -c secretctl -n '__fish_seen_subcommand_from add' -l user -x -d 'the user name that goes with the secret'
complete -c secretctl -n '__fish_seen_subcommand_from add' -l url -x -d 'where the secret is used'
complete -c secretctl -n '__fish_seen_subcommand_from add' -l tags -x -d 'words to find it by, separated by commas'
complete -c secretctl -n '__fish_seen_subcommand_from add' -l secret-fd -x -d 'read the secret from a descriptor'
complete -c secretctl -n '__fish_seen_subcommand_from add' -l generate -d 'store a random password'
complete -c secretctl -n '__fish_seen_subcommand_from add generate' -l characters -x -d 'of these characters'
complete -c secretctl -n '__fish_seen_subcommand_from add generate' -l no-symbols -d 'of letters and digits only'
complete -c secretctl -n '__fish_seen_subcommand_from generate' -l length -x -d 'this many characters'
complete -c secretctl -n '__fish_seen_subcommand_from list show inspect audit' -l json -d 'write JSON'
complete -c secretctl -n '__fish_seen_subcommand_from remove' -l yes -d 'do not ask'
complete -c secretctl -n '__fish_seen_subcommand_from inspect' -x -a '(__fish_complete_pids)'
complete -c secretctl -n '__fish_seen_subcommand_from audit' -l canary-fd -x -d 'read the canary from a descriptor'
complete -c secretctl -n '__fish_seen_subcommand_from audit' -F -a '(__fish_complete_pids)'
complete -c secretctl -n '__fish_seen_subcommand_from help' -a "$commands exit-codes"
