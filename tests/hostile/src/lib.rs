//! The attacks: each has a name and a sentence in one table. The guests in `tests/hostile-guests` carry them out, and the tests of
//! this crate say how each must end; both match on these enums, so that an attack without a guest or without a test does not
//! compile.
//!
//! Guests depend on this file: it may use nothing but the core language.

/// Calls `$macro!` with the whole table.
#[macro_export]
macro_rules! each_attack {
    ($macro:ident) => {
        $macro! {
            /// Reaching files outside the granted directories, or writing inside one that is granted for reading.
            Paths / paths {
                climb / Climb = "opens `../secret` from a granted directory";
                climb_in_the_middle / ClimbInTheMiddle = "opens `inner/../../secret`";
                absolute / Absolute = "opens `/etc/passwd`, though only `/data` is granted";
                absolute_in_directory / AbsoluteInDirectory = "asks a granted directory itself for an absolute path";
                proc_self / ProcSelf = "reads `/proc/self/environ` and `/proc/self/fd`";
                link_out / LinkOut = "makes a symbolic link to `../secret` and opens it";
                link_absolute / LinkAbsolute = "makes a symbolic link to `/etc/passwd`";
                link_planted / LinkPlanted = "follows symbolic links that lay in the directory before and lead out of it";
                link_loop / LinkLoop = "opens a symbolic link that leads to itself";
                link_race / LinkRace = "opens a file while a directory in its path is swapped with a link that leads out";
                hard_link_out / HardLinkOut = "makes a hard link to a file outside";
                hard_link_to_write / HardLinkToWrite = "links a file of a read-only directory into a writable one, to write it there";
                rename_out / RenameOut = "moves a file out of its directory";
                rename_between / RenameBetween = "moves a file from a read-only directory into a writable one";
                write_read_only / WriteReadOnly = "creates, writes, truncates, renames, removes and dates what is granted for reading";
                open_flags / OpenFlags = "opens a file of a read-only directory with every combination of flags that would write";
                replaced_directory / ReplacedDirectory = "replaces a granted directory by a link that leads out, for later runs";
                pipe / Pipe = "opens a named pipe that nobody writes to";
                device / Device = "opens a device through a link that lay in the directory";
                nul / Nul = "puts a NUL into a path, to hide what follows";
                long_name / LongName = "opens names of 300, 5,000 and 1,000,000 bytes";
                trailing_dots / TrailingDots = "opens `.. `, `..\\secret`, `...` and `. .` like names that other systems fold";
                unicode / Unicode = "opens names that fold to `..` and `/` in Unicode";
                letter_case / LetterCase = "opens `DATA` for `data`, and `SECRET.TXT` for `secret.txt`";
                no_name / NoName = "opens the empty name";
                times / Times = "dates a file to the end of time";
            }
            /// Taking more than a share of the host, or leaving it in pieces.
            Resources / resources {
                memory / Memory = "allocates until there is none";
                memory_at_once / MemoryAtOnce = "grows its memory by 4 GiB in one step";
                memories / Memories = "holds forty memories of 8 MiB";
                table / Table = "grows a table without end";
                tables / Tables = "declares a table of 4,000,000,000 elements";
                instances / Instances = "instantiates a module 1,000 times";
                stack / Stack = "calls itself until the stack ends";
                own_stack / OwnStack = "calls itself until the stack in its own memory ends";
                spin / Spin = "loops for ever";
                spin_in_start / SpinInStart = "loops for ever in a start function, before it is called";
                spin_in_realloc / SpinInRealloc = "loops for ever when the host asks it for memory";
                spin_in_post_return / SpinInPostReturn = "loops for ever when it has returned";
                spin_around_calls / SpinAroundCalls = "loops for ever around a host call that does nothing";
                trap_in_start / TrapInStart = "traps in a start function";
                bulk_memory / BulkMemory = "fills 200 MiB of memory again and again, an instruction each";
                own_handles / OwnHandles = "makes handles to a resource of its own until there is no memory";
                host_handles / HostHandles = "opens host resources and never drops one";
                headers / Headers = "keeps header lists of the largest size in the host's memory";
                pollables / Pollables = "polls a million pollables at once";
                dropped_handle / DroppedHandle = "uses a handle that it dropped";
                forged_handle / ForgedHandle = "uses handles that it was never given";
                child_before_parent / ChildBeforeParent = "drops a stream while its pollable lives, then polls";
                drop_twice / DropTwice = "drops a handle twice";
                stdout_flood / StdoutFlood = "writes to standard output without end";
                stderr_flood / StderrFlood = "writes to standard error without end";
                log_flood / LogFlood = "logs without end";
                log_one / LogOne = "logs one line of 60 MiB";
                span_flood / SpanFlood = "opens and closes spans without end";
                zeroes_flood / ZeroesFlood = "asks for zeroes to be written to standard output without end";
                random_flood / RandomFlood = "asks for 4 GiB of entropy in one call";
                read_at_once / ReadAtOnce = "asks standard input and files for the largest number of bytes that there is";
                stdin_end / StdinEnd = "reads standard input to its end, and goes on";
                huge_write / HugeWrite = "hands a list of 4 GiB to one host call";
                sleep / Sleep = "sleeps for 584 years";
                sleep_in_poll / SleepInPoll = "polls a timer that never rings";
                exit / Exit = "ends the process in the middle of a call";
            }
            /// Reaching hosts that were not granted, speaking for others, and servers that trick.
            Http / http {
                loopback / Loopback = "asks for `127.0.0.1`, `127.8.8.8` and `[::1]` under a grant of any host";
                number / Number = "spells loopback as one number: decimal, octal and hexadecimal";
                short / Short = "spells loopback with fewer or odder parts: `127.1`, `0177.0.0.1`, `0x7f.0.0.1`, `127.0.0.01`";
                mapped / Mapped = "spells loopback inside IPv6: mapped, compatible, NAT64, 6to4 and Teredo";
                unspecified / Unspecified = "asks for `0.0.0.0` and `[::]`";
                localhost / Localhost = "asks for `localhost` and names that end in it";
                name_to_loopback / NameToLoopback = "asks for a name that resolves to loopback";
                metadata / Metadata = "asks for the metadata service of clouds, by address and name";
                private / Private = "asks for private, shared, link-local, multicast and reserved addresses";
                trailing_dot / TrailingDot = "ends the host in a dot, or doubles one";
                user_info / UserInfo = "puts a granted host before an `@`, and another behind it";
                percent / Percent = "spells a host in percent codes";
                unicode_host / UnicodeHost = "spells loopback in digits of other scripts, and a granted host in look-alikes";
                zone / Zone = "gives a link-local address a zone";
                odd_port / OddPort = "asks for ports 0, 65616 and none after the colon";
                other_port / OtherPort = "asks a granted host on another port";
                other_scheme / OtherScheme = "asks a granted host over another scheme";
                other_host / OtherHost = "asks for a host below, above and beside the granted one";
                authority_in_path / AuthorityInPath = "puts a whole URL where the path should be";
                redirect / Redirect = "follows a redirect from a granted host to another";
                redirect_chain / RedirectChain = "follows redirects that never end";
                newline_in_path / NewlineInPath = "puts a second request into the path";
                newline_in_header / NewlineInHeader = "puts another header into a header's value and name";
                newline_in_method / NewlineInMethod = "puts a second request into the method";
                newline_in_host / NewlineInHost = "puts another header into the host";
                host_header / HostHeader = "sets the `host` header to another host";
                hop_headers / HopHeaders = "sets headers that belong to the connection";
                length_lie / LengthLie = "announces five bytes and sends a second request behind them";
                length_short / LengthShort = "announces more bytes than it sends";
                connect / Connect = "asks for a tunnel with `CONNECT`, and for its own headers with `TRACE`";
                rebound / Rebound = "asks again and again for a name that leads elsewhere each time";
                slow_head / SlowHead = "is answered a byte at a time, and never to the end of the head";
                slow_body / SlowBody = "is answered a byte at a time, and never to the end of the body";
                silent / Silent = "is never answered";
                endless_head / EndlessHead = "is answered with headers without end";
                large_header / LargeHeader = "is answered with one header of 4 MiB";
                endless_body / EndlessBody = "is answered with a body without end";
                bomb / Bomb = "is answered with ten kilobytes that unpack to ten megabytes";
                both_lengths / BothLengths = "is answered with a length and in chunks at once, and a second answer hidden in between";
                two_lengths / TwoLengths = "is answered with two lengths";
                odd_length / OddLength = "is answered with lengths that are no numbers or too large for one";
                odd_chunk / OddChunk = "is answered with chunks whose sizes are no numbers or too large for one";
                informational / Informational = "is answered with interim answers without end";
                break_off / BreakOff = "is answered with less than was announced";
                switch / Switch = "is told that the protocol is another now";
                trailers / Trailers = "is answered with trailers without end";
                never_read / NeverRead = "is answered, and never reads the answer";
                request_flood / RequestFlood = "sends requests without end";
                upload_flood / UploadFlood = "sends a body without end";
                secret_in_url / SecretInUrl = "sends secrets in the URL and in headers, to a server that is there and to one that is not";
            }
            /// Sockets and names past their grant.
            Sockets / sockets {
                connect / Connect = "connects to loopback, private networks and the metadata service under a grant of any host";
                connect_unspecified / ConnectUnspecified = "connects to `0.0.0.0` and `[::]`";
                connect_mapped / ConnectMapped = "connects to loopback inside IPv6";
                datagram / Datagram = "sends datagrams to loopback, a local name server and everyone";
                look_up / LookUp = "looks up names that it was not granted";
                look_up_loopback / LookUpLoopback = "looks up granted names that lead to loopback, there among others, and to metadata";
                listen / Listen = "listens where it was not granted";
                socket_flood / SocketFlood = "opens sockets without end";
                look_up_flood / LookUpFlood = "looks up names without end";
                connect_flood / ConnectFlood = "connects without end";
            }
            /// Getting at the value of a secret that is only to be used.
            Secrets / secrets {
                in_url / InUrl = "writes a secret's placeholder into the path and the query of a URL";
                in_name / InName = "writes a placeholder into the name of a header";
                in_other_header / InOtherHeader = "writes a placeholder into headers that the operator did not name, and with more around it";
                in_body / InBody = "writes a placeholder into a body, alone and far behind its start";
                to_another / ToAnother = "sends a placeholder in the right header to another host, and to another path";
                redirected / Redirected = "follows a redirect to another host with a placeholder in the header";
                echoed / Echoed = "asks a server that repeats what it was sent in its headers";
                guessed / Guessed = "makes placeholders up, and changes one";
                in_errors / InErrors = "looks for the value in what it is told when requests fail";
                revealed / Revealed = "asks for the value itself";
                other_names / OtherNames = "asks for secrets by other names, paths and sources";
            }
            /// Making programs of the host do what was not granted, and leaving the scratch directory.
            Programs / programs {
                other_program / OtherProgram = "starts programs that were not granted, by name and by path";
                shell_words / ShellWords = "hands a program words that a shell would run";
                options / Options = "hands a program an option, or more words, where one word was granted";
                nul / Nul = "puts NULs into program, arguments and variables";
                environment / Environment = "names variables that it was not granted, and some that make programs load code";
                open_files / OpenFiles = "looks for open files of the host in a program";
                output_flood / OutputFlood = "starts a program that writes without end";
                hang / Hang = "starts a program that never ends";
                left_behind / LeftBehind = "starts a program that leaves another behind";
                start_flood / StartFlood = "starts programs without end";
                scratch_climb / ScratchClimb = "climbs out of its scratch directory";
                scratch_before / ScratchBefore = "looks for what earlier runs left in their scratch directories";
                scratch_flood / ScratchFlood = "fills its scratch directory";
            }
            /// Looking for what tells about the host, its clock and its other guests.
            Probes / probes {
                environment / Environment = "looks for variables, arguments and folders that it was not given";
                still_clock / StillClock = "measures how long it computes under a clock that stands still";
                slept_clock / SleptClock = "measures how long it computes under a clock that only sleep moves";
                seeded / Seeded = "draws entropy in every way under a seed, and once more for another answer";
            }
            /// Buckets and containers past their grant.
            Stores / stores {
                giant_key / GiantKey = "sets a key of 10 MiB";
                giant_value / GiantValue = "sets a value of 50 MiB";
                key_tricks / KeyTricks = "uses keys that look like paths, patterns, commands and other keys: `..`, `*`, NUL, line ends";
                other_bucket / OtherBucket = "opens buckets that it was not granted, by name, path, pattern and behind a NUL";
                read_only_bucket / ReadOnlyBucket = "writes in every way to a bucket that is granted for reading";
                bucket_flood / BucketFlood = "opens a bucket without end";
                swap_flood / SwapFlood = "sees a megabyte for a swap again and again, and swaps nothing";
                swap_after_drop / SwapAfterDrop = "swaps with a handle that it dropped";
                swap_twice / SwapTwice = "swaps twice with one handle";
                batch_of_a_million / BatchOfAMillion = "gets, deletes and sets a million keys at once";
                batch_of_one_key / BatchOfOneKey = "gets a megabyte ten thousand times at once";
                key_flood / KeyFlood = "sets keys without end";
                quota_race / QuotaRace = "fills a bucket in four runs at once, to cross its quota together";
                count_past_the_end / CountPastTheEnd = "counts past both ends of 64 bits, and on what is no number";
                forged_cursor / ForgedCursor = "goes on with a list where nobody told it, with odd and giant cursors";
                list_flood / ListFlood = "lists two megabytes of keys without end";
                names_as_paths / NamesAsPaths = "writes and reads objects whose names are paths out of their container";
                other_container / OtherContainer = "opens, makes, removes, copies into and moves out of containers that it was not granted";
                read_only_container / ReadOnlyContainer = "changes a container that is granted for reading in every way";
                long_object_name / LongObjectName = "writes an object with a name of a megabyte";
                endless_object / EndlessObject = "writes an object without end";
                endless_unnamed / EndlessUnnamed = "writes values without end that it never names";
                draft_flood / DraftFlood = "begins values without end";
                drafts_on_disk / DraftsOnDisk = "writes objects without end and finishes none";
                reader_flood / ReaderFlood = "opens an object without end";
                object_flood / ObjectFlood = "makes objects without end";
                names_flood / NamesFlood = "begins lists of objects without end";
                name_after_finish / NameAfterFinish = "names a value that is finished";
                stream_after_finish / StreamAfterFinish = "finishes a value while its stream lives, to write on";
                odd_ranges / OddRanges = "reads ranges that begin after the end or end before the beginning";
            }
            /// Components that call one another in one run.
            Calls / calls {
                fork_bomb / ForkBomb = "calls another component without end";
                fork_bomb_below / ForkBombBelow = "calls another that calls a third, each no more often than is allowed, and together more";
                leaf_spins / LeafSpins = "calls another that calls a third that loops for ever";
                leaf_traps / LeafTraps = "calls another that calls a third that traps";
            }
            /// Values that the host must read without being hurt.
            Values / values {
                text_nowhere / TextNowhere = "returns a text that lies outside its memory";
                text_of_4_gib / TextOf4Gib = "returns a text of 4 GiB";
                text_invalid / TextInvalid = "returns a text that is not UTF-8";
                char_invalid / CharInvalid = "returns a surrogate as a character";
                variant_invalid / VariantInvalid = "returns a case that its variant does not have";
                list_of_flags / ListOfFlags = "returns sixty million booleans, which the host holds in many times the space";
                list_misaligned / ListMisaligned = "returns a list at an odd address";
                output_too_long / OutputTooLong = "returns a text that is longer than its output may be";
                escapes / Escapes = "returns control characters that grow sixfold as JSON";
                nested_type / NestedType = "has a result type nested a hundred and twenty deep";
                wide_type / WideType = "has fifty functions of a type that doubles seventeen times over";
                realloc_nowhere / ReallocNowhere = "gives the host memory that is not there";
                call_while_leaving / CallWhileLeaving = "calls the host out of the function that gives it memory";
                names_in_backtrace / NamesInBacktrace = "traps in a function whose name is terminal control codes";
            }
        }
    };
}

macro_rules! define {
    ($($(#[doc = $about:literal])* $Family:ident / $family:ident {
        $($attack:ident / $Attack:ident = $does:literal;)*
    })*) => {
        $(
            $(#[doc = $about])*
            #[derive(Clone, Copy, Debug, PartialEq, Eq)]
            pub enum $Family {
                $(#[doc = concat!("It ", $does, ".")] $Attack,)*
            }

            impl $Family {
                /// Every attack of the family.
                pub const ALL: &[Self] = &[$(Self::$Attack,)*];

                /// The name, as guests and documents know it.
                #[must_use]
                pub const fn name(self) -> &'static str {
                    match self { $(Self::$Attack => stringify!($attack),)* }
                }

                /// What it does, as the rest of a sentence about the guest.
                #[must_use]
                pub const fn does(self) -> &'static str {
                    match self { $(Self::$Attack => $does,)* }
                }

                /// The attack of that name.
                #[must_use]
                pub fn named(name: &str) -> Option<Self> {
                    Self::ALL.iter().copied().find(|attack| attack.name() == name)
                }
            }
        )*

        /// Every family with its attacks: name and deed, in the order of the table.
        pub const FAMILIES: &[(&str, &str, &[(&str, &str)])] = &[$((
            stringify!($family),
            concat!($($about,)*),
            &[$((stringify!($attack), $does),)*],
        ),)*];
    };
}

each_attack!(define);
