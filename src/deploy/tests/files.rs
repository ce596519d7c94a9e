use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};

use nix::unistd::{Gid, Uid, geteuid};

use super::*;
use crate::deploy::access::{Access, Us};
use crate::deploy::error::DeployError;
use crate::deploy::files::{clear_marker, is_marked, write};
use crate::deploy::{DeployState, Reload, state};

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o7777
}

#[test]
fn missing_and_stale_files_are_written_and_no_others() {
    let folder = TempDir::new().unwrap();
    let (spec, cert) = (spec(&folder), stored(1));
    let [chain, key] = [0, 1].map(|at| spec.files[at].path.clone());
    assert!(matches!(state(&spec, &cert), DeployState::Missing(path) if path == chain));

    assert_eq!(
        write(&spec, &cert).unwrap().files,
        [chain.clone(), key.clone()]
    );
    assert_eq!(
        (read(&chain), &read(&key)),
        (cert.bundle.chain.clone(), cert.bundle.key.reveal())
    );
    assert_eq!((mode(&chain), mode(&key)), (0o640, 0o640));
    assert_eq!(
        names(&folder),
        ["chain.pem", "key.pem"],
        "nothing is left behind"
    );
    assert!(matches!(state(&spec, &cert), DeployState::InSync));
    assert!(write(&spec, &cert).unwrap().files.is_empty());

    fs::set_permissions(&key, fs::Permissions::from_mode(0o644)).unwrap();
    assert!(matches!(state(&spec, &cert), DeployState::Stale(path) if path == key));
    assert_eq!(write(&spec, &cert).unwrap().files, [&*key]);
    assert_eq!(mode(&key), 0o640);

    fs::write(&chain, "something else").unwrap();
    assert_eq!(write(&spec, &cert).unwrap().files, [&*chain]);
    fs::write(&chain, vec![b'x'; 2 << 20]).unwrap();
    assert_eq!(write(&spec, &cert).unwrap().files, [&*chain]);

    assert_eq!(write(&spec, &stored(2)).unwrap().files, [chain, key]);
    assert!(matches!(state(&spec, &cert), DeployState::Stale(_)));
}

#[test]
fn a_symlink_becomes_a_file_and_what_it_led_to_stays() {
    let folder = TempDir::new().unwrap();
    let (spec, cert) = (spec(&folder), stored(1));
    let archive = folder.path().join("fullchain1.pem");
    fs::write(&archive, &cert.bundle.chain).unwrap();
    fs::set_permissions(&archive, fs::Permissions::from_mode(0o640)).unwrap();
    symlink(&archive, &spec.files[0].path).unwrap();
    symlink(folder.path().join("nowhere"), &spec.files[1].path).unwrap();
    assert!(matches!(state(&spec, &cert), DeployState::Stale(_)));

    write(&spec, &stored(2)).unwrap();
    assert!(
        spec.files
            .iter()
            .all(|output| fs::symlink_metadata(&output.path).unwrap().is_file())
    );
    assert_eq!(read(&archive), cert.bundle.chain);
}

#[test]
fn what_stands_ready_for_the_temporary_file_is_not_followed() {
    let folder = TempDir::new().unwrap();
    let spec = spec(&folder);
    let victim = folder.path().join("victim");
    fs::write(&victim, "precious").unwrap();
    symlink(&victim, folder.path().join(".key.pem.ianitor-new")).unwrap();
    write(&spec, &stored(1)).unwrap();
    assert_eq!(read(&victim), "precious");
    assert_eq!(names(&folder), ["chain.pem", "key.pem", "victim"]);
}

#[test]
fn files_that_fit_together_stay_if_one_cannot_be_written() {
    let folder = TempDir::new().unwrap();
    let (spec, old) = (spec(&folder), stored(1));
    write(&spec, &old).unwrap();
    // Nothing can be prepared under this name, whoever tries.
    fs::create_dir(folder.path().join(".key.pem.ianitor-new")).unwrap();
    let error = write(&spec, &stored(2)).unwrap_err();
    assert!(
        matches!(&error, DeployError::Write(path, _) if *path == spec.files[1].path),
        "{error}"
    );
    assert!(matches!(state(&spec, &old), DeployState::InSync));
    assert_eq!(
        names(&folder),
        [".key.pem.ianitor-new", "chain.pem", "key.pem"]
    );
}

#[test]
fn owner_and_group_are_given_by_name_or_number() {
    let folder = TempDir::new().unwrap();
    let cert = stored(1);
    let (user, group) = (Uid::effective(), Gid::effective());
    let own = DeploySpec {
        owner: Some(user.to_string().into()),
        group: Some(group.to_string().into()),
        ..spec(&folder)
    };
    write(&own, &cert).unwrap();
    let found = fs::metadata(&own.files[0].path).unwrap();
    assert_eq!((found.uid(), found.gid()), (user.as_raw(), group.as_raw()));

    let others = DeploySpec {
        owner: Some("12345".into()),
        ..spec(&folder)
    };
    assert!(matches!(state(&others, &cert), DeployState::Stale(_)));
    let result = write(&others, &cert);
    if geteuid().is_root() {
        assert_eq!(result.unwrap().files.len(), 2);
        assert_eq!(fs::metadata(&own.files[1].path).unwrap().uid(), 12345);
        let root = DeploySpec {
            owner: Some("root".into()),
            group: Some("root".into()),
            ..spec(&folder)
        };
        assert_eq!(write(&root, &cert).unwrap().files.len(), 2);
        assert_eq!(mode(&root.files[1].path), 0o640);
    } else {
        assert!(
            matches!(result.unwrap_err(), DeployError::NotGiven { key, .. }
                if key == "deploy[0].owner")
        );
        assert!(matches!(state(&own, &cert), DeployState::InSync));
    }
}

#[test]
fn what_is_in_the_way_is_said() {
    let folder = TempDir::new().unwrap();
    let (good, cert) = (spec(&folder), stored(1));
    let nobody = DeploySpec {
        owner: Some("no-such-user-here".into()),
        ..good.clone()
    };
    assert!(
        matches!(write(&nobody, &cert), Err(DeployError::NoUser { key, .. })
            if key == "deploy[0].owner")
    );
    let highest = DeploySpec {
        owner: Some("4294967295".into()),
        ..good.clone()
    };
    assert!(matches!(
        write(&highest, &cert),
        Err(DeployError::NoUser { .. })
    ));
    let nobody = DeploySpec {
        group: Some("no-such-group-here".into()),
        ..good.clone()
    };
    assert!(
        matches!(write(&nobody, &cert), Err(DeployError::NoGroup { key, .. })
            if key == "deploy[0].group")
    );

    let nowhere = folder.path().join("nowhere");
    let files = vec![Output {
        path: nowhere.join("chain.pem"),
        form: FileForm::Chain,
    }];
    let error = write(
        &DeploySpec {
            files,
            ..good.clone()
        },
        &cert,
    )
    .unwrap_err();
    assert!(matches!(error, DeployError::NoFolder(path) if path == nowhere));

    let files = vec![Output {
        path: "/dev/null".into(),
        form: FileForm::Chain,
    }];
    let error = write(
        &DeploySpec {
            files,
            ..good.clone()
        },
        &cert,
    )
    .unwrap_err();
    assert!(matches!(error, DeployError::NotAFile(_)));
    assert!(names(&folder).is_empty());
}

#[test]
fn that_nobody_was_told_is_remembered() {
    let folder = TempDir::new().unwrap();
    let cert = stored(1);
    let spec = DeploySpec {
        reload: Some(Reload::Command(vec!["true".to_owned()])),
        ..spec(&folder)
    };
    assert!(!is_marked(&spec).unwrap());
    assert!(write(&spec, &cert).unwrap().is_marked);
    let again = write(&spec, &cert).unwrap();
    assert!(again.files.is_empty() && again.is_marked);
    assert!(matches!(state(&spec, &cert), DeployState::NotReloaded));
    clear_marker(&spec).unwrap();
    clear_marker(&spec).unwrap();
    assert!(!write(&spec, &cert).unwrap().is_marked);
    assert!(matches!(state(&spec, &cert), DeployState::InSync));
}

#[test]
fn what_was_given_away_and_cannot_be_read_is_judged_by_its_age() {
    let folder = TempDir::new().unwrap();
    // As the file of somebody else is to a gateway that may give files away and no more.
    let spec = DeploySpec {
        mode: 0o200,
        ..spec(&folder)
    };
    let issued = |version, at| {
        let mut cert = Arc::unwrap_or_clone(stored(version));
        cert.bundle.meta.issued = at;
        cert
    };
    let first = issued(1, UnixTime(1_000_000));
    assert_eq!(write(&spec, &first).unwrap().files.len(), 2);
    assert!(write(&spec, &first).unwrap().files.is_empty());
    let later = issued(2, UnixTime::now().after(Duration::from_secs(60)));
    assert_eq!(write(&spec, &later).unwrap().files.len(), 2);
    assert_eq!(mode(&spec.files[0].path), 0o200);
}

#[test]
fn who_may_give_files_away_is_known_before_there_are_any() {
    let (folder, plain) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    std::os::unix::fs::chown(folder.path(), None, Some(77)).ok();
    let group = fs::metadata(folder.path()).unwrap().gid();
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o2750)).unwrap();
    let spec = DeploySpec {
        owner: Some("4000".into()),
        group: Some(group.to_string().into()),
        ..spec(&folder)
    };
    let access = Access::of(&spec).unwrap();
    let refused = |us: &Us, folders: &[&Path]| -> Vec<String> {
        let names = access.refused(us, folders).map(|error| error.to_string());
        names
            .map(|said| said.split(':').next().unwrap_or_default().to_owned())
            .collect()
    };
    let mut us = Us {
        user: 4000,
        groups: vec![group + 1],
        may_chown: false,
    };
    assert!(
        refused(&us, &[folder.path()]).is_empty(),
        "the folder hands its group on"
    );
    assert_eq!(
        refused(&us, &[folder.path(), plain.path()]),
        ["deploy[0].group"]
    );
    us.groups.push(group);
    assert!(refused(&us, &[plain.path()]).is_empty());
    us.user = 4001;
    assert_eq!(refused(&us, &[plain.path()]), ["deploy[0].owner"]);
    us.may_chown = true;
    assert!(refused(&us, &[plain.path()]).is_empty());
}
