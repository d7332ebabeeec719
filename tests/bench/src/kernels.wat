;; What a guest computes: loops in registers, through memory, by calls, and in long straight lines. `;;@check` stands where code
;; that can be stopped has to look whether it should stop.
(component
  (core module $m
    (memory 17)
    (func (export "registers") (param $n i32) (result i32)
      (local $x i32)
      ;;@check
      (local.set $x (i32.const 0x9e3779b9))
      (loop $again
        ;;@check
        (local.set $x (i32.xor (local.get $x) (i32.shl (local.get $x) (i32.const 13))))
        (local.set $x (i32.xor (local.get $x) (i32.shr_u (local.get $x) (i32.const 17))))
        (local.set $x (i32.xor (local.get $x) (i32.shl (local.get $x) (i32.const 5))))
        (br_if $again (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))
      (local.get $x))
    ;; How many primes there are below $n, which is at most a million.
    (func (export "sieve") (param $n i32) (result i32)
      (local $i i32) (local $j i32) (local $found i32)
      ;;@check
      (memory.fill (i32.const 65536) (i32.const 0) (local.get $n))
      (local.set $i (i32.const 2))
      (loop $each
        ;;@check
        (if (i32.eqz (i32.load8_u offset=65536 (local.get $i)))
          (then
            (local.set $found (i32.add (local.get $found) (i32.const 1)))
            (local.set $j (i32.shl (local.get $i) (i32.const 1)))
            (if (i32.lt_u (local.get $j) (local.get $n))
              (then
                (loop $strike
                  ;;@check
                  (i32.store8 offset=65536 (local.get $j) (i32.const 1))
                  (local.set $j (i32.add (local.get $j) (local.get $i)))
                  (br_if $strike (i32.lt_u (local.get $j) (local.get $n))))))))
        (local.set $i (i32.add (local.get $i) (i32.const 1)))
        (br_if $each (i32.lt_u (local.get $i) (local.get $n))))
      (local.get $found))
    (func $fibonacci (export "calls") (param $n i32) (result i32)
      ;;@check
      (if (result i32) (i32.lt_u (local.get $n) (i32.const 2))
        (then (local.get $n))
        (else (i32.add
          (call $fibonacci (i32.sub (local.get $n) (i32.const 1)))
          (call $fibonacci (i32.sub (local.get $n) (i32.const 2)))))))
    ;; Rounds of a hash, unrolled as compilers and authors of hashes do.
    (func (export "rounds") (param $n i32) (result i32)
      (local $a i32) (local $b i32) (local $c i32) (local $d i32)
      ;;@check
      (local.set $a (i32.const 0x61707865)) (local.set $b (i32.const 0x3320646e))
      (local.set $c (i32.const 0x79622d32)) (local.set $d (i32.const 0x6b206574))
      (loop $again
        ;;@check
        ;;@rounds
        (br_if $again (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))
      (i32.xor (local.get $a) (local.get $c)))
    (func (export "spin")
      (loop $again (br $again))))
  (core instance $i (instantiate $m))
  (func (export "registers") (param "n" u32) (result u32) (canon lift (core func $i "registers")))
  (func (export "sieve") (param "n" u32) (result u32) (canon lift (core func $i "sieve")))
  (func (export "calls") (param "n" u32) (result u32) (canon lift (core func $i "calls")))
  (func (export "rounds") (param "n" u32) (result u32) (canon lift (core func $i "rounds")))
  (func (export "spin") (canon lift (core func $i "spin"))))
