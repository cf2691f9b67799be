//! System calls that a mail server never makes, refused by seccomp(2).
//!
//! A list of what is refused, not of what is allowed: the latter would have to follow every change of the C library, and
//! one that is wrong stops mail. What is refused gives EPERM, as if the user had no right, so nothing ends because of
//! it. The list is what changes the machine, other processes or the kernel, and what has served to break out of
//! processes before. It has a few kilobytes in the kernel and is read at every call that it does not allow outright.

use nix::libc::{self, c_long};
use seccompiler::{
    BackendError, BpfProgram, Error, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter,
    SeccompRule,
};
use std::collections::BTreeMap;

/// Refused whatever their arguments.
const REFUSED: &[c_long] = &[
    // Other programs.
    libc::SYS_execve,
    libc::SYS_execveat,
    // Other processes.
    libc::SYS_ptrace,
    libc::SYS_process_vm_readv,
    libc::SYS_process_vm_writev,
    libc::SYS_pidfd_getfd,
    libc::SYS_kcmp,
    // Mounts and namespaces.
    libc::SYS_mount,
    libc::SYS_umount2,
    libc::SYS_pivot_root,
    libc::SYS_chroot,
    libc::SYS_open_tree,
    OPEN_TREE_ATTR,
    libc::SYS_move_mount,
    libc::SYS_fsopen,
    libc::SYS_fsconfig,
    libc::SYS_fsmount,
    libc::SYS_fspick,
    libc::SYS_mount_setattr,
    libc::SYS_setns,
    libc::SYS_unshare,
    // Files without their names.
    libc::SYS_name_to_handle_at,
    libc::SYS_open_by_handle_at,
    libc::SYS_fanotify_init,
    libc::SYS_fanotify_mark,
    // The machine and its kernel.
    libc::SYS_reboot,
    libc::SYS_kexec_load,
    KEXEC_FILE_LOAD,
    libc::SYS_init_module,
    libc::SYS_finit_module,
    libc::SYS_delete_module,
    libc::SYS_swapon,
    libc::SYS_swapoff,
    libc::SYS_acct,
    libc::SYS_quotactl,
    libc::SYS_quotactl_fd,
    libc::SYS_sethostname,
    libc::SYS_setdomainname,
    libc::SYS_vhangup,
    libc::SYS_syslog,
    // The clock, which is the network child's.
    libc::SYS_clock_settime,
    libc::SYS_clock_adjtime,
    libc::SYS_settimeofday,
    libc::SYS_adjtimex,
    // Large parts of the kernel that nothing here uses.
    libc::SYS_bpf,
    libc::SYS_perf_event_open,
    libc::SYS_userfaultfd,
    libc::SYS_io_uring_setup,
    libc::SYS_io_uring_enter,
    libc::SYS_io_uring_register,
    libc::SYS_add_key,
    libc::SYS_request_key,
    libc::SYS_keyctl,
    libc::SYS_personality,
    libc::SYS_lookup_dcookie,
    libc::SYS_nfsservctl,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_iopl,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_ioperm,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_modify_ldt,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_uselib,
    #[cfg(target_arch = "x86_64")]
    libc::SYS__sysctl,
];

/// Since Linux 6.15, with one number everywhere; `libc` has no name for it yet.
const OPEN_TREE_ATTR: c_long = 467;
/// `libc` has no name for it with musl on aarch64.
#[cfg(target_arch = "aarch64")]
const KEXEC_FILE_LOAD: c_long = 294;
#[cfg(not(target_arch = "aarch64"))]
const KEXEC_FILE_LOAD: c_long = libc::SYS_kexec_file_load;

/// clone(2): any of these makes a namespace, in which a user without rights has some.
const NAMESPACES: [i32; 7] = [
    libc::CLONE_NEWNS,
    libc::CLONE_NEWCGROUP,
    libc::CLONE_NEWUTS,
    libc::CLONE_NEWIPC,
    libc::CLONE_NEWUSER,
    libc::CLONE_NEWPID,
    libc::CLONE_NEWNET,
];

/// socket(2): mail, the supervisor and control, and what C libraries ask about addresses.
const FAMILIES: [i32; 4] = [libc::AF_UNIX, libc::AF_INET, libc::AF_INET6, libc::AF_NETLINK];

/// The x32 calls of x86_64: the same numbers with this bit, and a few of its own (syscall_64.tbl).
#[cfg(target_arch = "x86_64")]
const X32_BIT: c_long = 0x4000_0000;
/// execve, ptrace, kexec_load, process_vm_readv, process_vm_writev, execveat.
#[cfg(target_arch = "x86_64")]
const X32_ONLY: [c_long; 6] = [520, 521, 528, 539, 540, 545];

/// Restricts this thread and those that it will start, and sets no_new_privs. Gives how many calls are refused.
///
/// # Errors
/// [`Error`] if the kernel has no seccomp filters, or refuses this one. Calls are then restricted in part or not at all.
pub fn restrict() -> Result<usize, Error> {
    // clone3(2) has its flags in memory, where no filter sees them: without it, C libraries use clone(2).
    let unknown = [(libc::SYS_clone3, Vec::new())];
    install(unknown.into(), libc::ENOSYS)?;
    let rules = rules()?;
    let count = rules.keys().filter(|number| **number < 0x1000).count();
    install(rules, libc::EPERM)?;
    Ok(count.saturating_add(1))
}

fn install(rules: BTreeMap<c_long, Vec<SeccompRule>>, errno: i32) -> Result<(), Error> {
    let refusal = SeccompAction::Errno(errno.unsigned_abs());
    let architecture = std::env::consts::ARCH.try_into()?;
    let filter = SeccompFilter::new(rules, SeccompAction::Allow, refusal, architecture)?;
    seccompiler::apply_filter(&BpfProgram::try_from(filter)?)
}

fn rules() -> Result<BTreeMap<c_long, Vec<SeccompRule>>, BackendError> {
    let value = |number: i32| u64::from(number.unsigned_abs());
    let first_argument = |operator, number| SeccompCondition::new(0, SeccompCmpArgLen::Dword, operator, value(number));
    let namespaces = NAMESPACES
        .into_iter()
        .map(|flag| SeccompRule::new(vec![first_argument(SeccompCmpOp::MaskedEq(value(flag)), flag)?]))
        .collect::<Result<Vec<_>, _>>()?;
    let none_of_these = FAMILIES.into_iter().map(|family| first_argument(SeccompCmpOp::Ne, family));
    let families = vec![SeccompRule::new(none_of_these.collect::<Result<_, _>>()?)?];
    let mut rules: BTreeMap<_, _> = REFUSED.iter().map(|number| (*number, Vec::new())).collect();
    rules.insert(libc::SYS_clone, namespaces);
    rules.insert(libc::SYS_socket, families);
    #[cfg(target_arch = "x86_64")]
    {
        let x32: Vec<_> = rules.iter().map(|(number, rule)| (number | X32_BIT, rule.clone())).collect();
        rules.extend(x32);
        rules.extend(X32_ONLY.map(|number| (number | X32_BIT, Vec::new())));
        rules.insert(libc::SYS_clone3 | X32_BIT, Vec::new());
    }
    Ok(rules)
}
