;; Grows a table without end; gives the number of elements when the host says no, for a host that says no without a trap.
(component
  (core module $m
    (table $t 1 funcref)
    (func (export "grow-table") (result i32)
      (block $full
        (loop $again
          (br_if $full (i32.eq (table.grow $t (ref.null func) (i32.const 4096)) (i32.const -1)))
          (br $again)))
      (table.size $t)))
  (core instance $i (instantiate $m))
  (func (export "grow-table") (result u32) (canon lift (core func $i "grow-table"))))
