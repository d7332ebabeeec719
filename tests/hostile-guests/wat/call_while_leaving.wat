;; Calls the host out of the function that gives it memory, where no instance may be left.
(component
  (import "longshore:action/attempt@0.1.0" (instance $attempt
    (export "number" (func (result u32)))))
  (core func $number (canon lower (func $attempt "number")))
  (core module $m
    (import "" "number" (func $number (result i32)))
    (memory (export "memory") 1)
    (func (export "realloc") (param i32 i32 i32 i32) (result i32)
      (drop (call $number)) (i32.const 1024))
    (func (export "attack") (param i32 i32)))
  (core instance $i (instantiate $m (with "" (instance (export "number" (func $number))))))
  (func (export "attack") (param "text" string)
    (canon lift (core func $i "attack") (memory (core memory $i "memory")) (realloc (core func $i "realloc")))))
